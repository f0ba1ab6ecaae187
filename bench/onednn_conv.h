// oneDNN's INT8 convolution, u8 x s8, the way an INT8 network runs it.
#pragma once

#include <dnnl.hpp>
#include <string>

#include "conv_problem.h"

class OneDnnConvolution {
 public:
  // kBytes: scaled by output channel, ReLU, rounded to u8: what the next layer of an INT8 network reads.
  // kSums: int32 sums, nothing after.
  enum class Destination { kBytes, kSums };

  // Weights are in the layout that oneDNN asks for; images too. Codes are random.
  OneDnnConvolution(const Convolution& shape, int64_t batch, Destination destination, int threads);

  void Run();
  const std::string& kernel() const { return kernel_; }

  // The first `count` outputs are what plain loops give; only for kSums.
  bool IsRight(int count) const;

 private:
  dnnl::memory RandomCodes(const dnnl::memory::desc& plain, int lowest, int highest);

  const Convolution shape_;
  const int64_t batch_;
  const int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::memory source_, weights_, destination_, plain_source_, plain_weights_;
  dnnl::convolution_forward convolve_;
  std::string kernel_;
};
