// The baseline: oneDNN's inner product with weights in the layout that it asks for. Its matrix multiplication
// runs the same kernels and was never faster, and on AVX2 it is slower by half for one row.
#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <functional>

#include "engine.h"
#include "isa.h"
#include "row_quantizer.h"

namespace {

using dnnl::inner_product_forward;
using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;
using Dimensions = memory::dims;

int ActivationCodeBits() { return LargestSafeCode() == 255 ? 0 : 7; }

class OneDnnEngine : public Engine {
 public:
  OneDnnEngine(const Shape& shape, const Scheme& scheme, int threads)
      : problem_(shape, scheme, ActivationCodeBits()), threads_(threads), engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_) {}

  const int32_t* sums() const override { return static_cast<const int32_t*>(output_.get_data_handle()); }
  const Problem& problem() const override { return problem_; }
  size_t weight_bytes() const override { return weights_.get_desc().get_size(); }
  std::string kernel() const override { return kernel_; }

 protected:
  void Prepare(Type input, Type weights, Type output, const std::function<void(void*)>& fill_weights) {
    omp_set_num_threads(threads_);
    const auto rows = memory::dim(problem_.shape.rows), channels = memory::dim(problem_.shape.channels),
               outputs = memory::dim(problem_.shape.outputs);
    const memory::desc input_layout({rows, channels}, input, Tag::ab);
    const memory::desc output_layout({rows, outputs}, output, Tag::ab);
    const inner_product_forward::primitive_desc description(
        {dnnl::prop_kind::forward_inference, input_layout, {{outputs, channels}, weights, Tag::any}, output_layout},
        engine_);
    kernel_ = description.impl_info_str();
    input_ = memory(input_layout, engine_);
    output_ = memory(output_layout, engine_);
    weights_ = memory(description.weights_desc(), engine_);
    memory plain({{outputs, channels}, weights, Tag::ab}, engine_);
    fill_weights(plain.get_data_handle());
    dnnl::reorder(plain, weights_).execute(stream_, plain, weights_);
    stream_.wait();
    multiply_ = inner_product_forward(description);
  }

  void Multiply() {
    omp_set_num_threads(threads_);
    multiply_.execute(stream_,
                      {{DNNL_ARG_SRC, input_}, {DNNL_ARG_WEIGHTS, weights_}, {DNNL_ARG_DST, output_}});
    stream_.wait();
  }

  const Problem problem_;
  memory input_, output_;

 private:
  const int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  memory weights_;
  inner_product_forward multiply_;
  std::string kernel_;
};

// Calls write(index, weight) for all weights in the order of memory.
template <typename Write>
void ForEachWeight(const Problem& problem, Write write) {
  size_t index = 0;
  for (size_t output = 0; output < problem.shape.outputs; output++) {
    for (size_t channel = 0; channel < problem.shape.channels; channel++) {
      write(index++, output, problem.Weight(output, channel));
    }
  }
}

// u8 x s8 to s32. Float rows are quantised as ONNX Runtime does it: a scale and a zero for each row, found at
// run time; the sums are corrected by the zero times the sum of the weights, and scaled by row and output.
class OneDnnInt8 : public OneDnnEngine {
 public:
  OneDnnInt8(const Shape& shape, int threads)
      : OneDnnEngine(shape, ParseScheme("w8a8"), threads), weight_sums_(shape.outputs),
        weight_scales_(shape.outputs, Problem::kWeightScale), results_(shape.rows * shape.outputs) {
    Prepare(Type::u8, Type::s8, Type::s32, [&](void* memory) {
      ForEachWeight(problem_, [&](size_t index, size_t output, int weight) {
        static_cast<int8_t*>(memory)[index] = int8_t(weight);
        weight_sums_[output] += weight;
      });
    });
  }

  bool Has(Boundary) const override { return true; }
  const float* results() const override { return results_.data(); }

  void Run(Boundary boundary) override {
    const Shape& shape = problem_.shape;
    if (boundary == Boundary::kCodes) {
      // The codes are used where they lie.
      input_.set_data_handle(const_cast<uint8_t*>(problem_.codes().data()));
      return Multiply();
    }
    quantized_.resize(problem_.codes().size());
    parameters_.resize(shape.rows);
    QuantizeRows(problem_.floats().data(), shape.rows, shape.channels, quantized_.data(), parameters_.data());
    input_.set_data_handle(quantized_.data());
    Multiply();
    ScaleRows(sums(), shape.rows, shape.outputs, parameters_.data(), weight_scales_.data(), weight_sums_.data(),
              results_.data());
  }

 private:
  std::vector<int32_t> weight_sums_;
  std::vector<float> weight_scales_, results_;
  std::vector<uint8_t> quantized_;
  std::vector<RowParameters> parameters_;
};

class OneDnnFloat : public OneDnnEngine {
 public:
  OneDnnFloat(const Shape& shape, int threads) : OneDnnEngine(shape, ParseScheme("w8a8"), threads) {
    Prepare(Type::f32, Type::f32, Type::f32, [&](void* memory) {
      ForEachWeight(problem_, [&](size_t index, size_t, int weight) {
        static_cast<float*>(memory)[index] = float(weight) * Problem::kWeightScale;
      });
    });
    input_.set_data_handle(const_cast<float*>(problem_.floats().data()));
  }

  bool Has(Boundary boundary) const override { return boundary == Boundary::kFloats; }
  void Run(Boundary) override { Multiply(); }
  const float* results() const override { return static_cast<const float*>(output_.get_data_handle()); }
};

}  // namespace

std::unique_ptr<Engine> MakeOneDnnInt8(const Shape& shape, int threads) {
  return std::make_unique<OneDnnInt8>(shape, threads);
}

std::unique_ptr<Engine> MakeOneDnnFloat(const Shape& shape, int threads) {
  return std::make_unique<OneDnnFloat>(shape, threads);
}

std::string OneDnnVersion() {
  const dnnl::version_t& version = *dnnl::version();
  return "oneDNN " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch);
}
