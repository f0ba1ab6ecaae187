// What a row of the benchmark could reach at best on this machine.
//
// The bound on time is the larger of two: all products at the compute ceiling of the scheme, and all weight
// bytes, as stored, at the read bandwidth of their size. Activations and results are left out of it.
#pragma once

#include <string>
#include <vector>

#include "peaks.h"
#include "problem.h"
#include "read_bandwidth.h"

class Roofline {
 public:
  // Measures; takes some seconds.
  explicit Roofline(int threads);

  // Products a second. The fastest of three ways for each level:
  //   products of bytes at the 8-bit peak, or at that for weights of up to 4 bits;
  //   plane by plane, weight bits x activation bits times at the popcount peak;
  //   table look-ups, weight bits times at the table peak, twice that for activations above 4 bits.
  double ComputeCeiling(const Scheme& scheme) const;

  // Seconds that one multiplication takes at least.
  double LeastSeconds(const Shape& shape, double compute_ceiling, size_t weight_bytes) const;

  const Peaks& peaks() const { return peaks_; }

  // Adds what was measured to the context of Google Benchmark's report.
  void AddContext() const;

 private:
  const int threads_;
  const Peaks peaks_;
  const std::vector<Bandwidth> bandwidths_;
};
