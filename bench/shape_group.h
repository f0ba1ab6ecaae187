// All rows of one shape: every engine and scheme at every boundary, measured together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "roofline.h"
#include "round_robin.h"

struct RowKey {
  std::string engine;  // "soniq", "onednn_int8", "onednn_f32"
  std::string scheme;  // "w1a4", ...; "f32" of onednn_f32
  Boundary boundary;
  int threads;
};

// "soniq/w1a4/1x4096x4096/threads:1/boundary:codes/isa:avx512"
std::string RowName(const RowKey& key, const Shape& shape);

// What one row has come to; 0 where there is nothing to compare with.
struct RowResult {
  double seconds = 0;      // median over the rounds
  double spread = 0;       // (slowest - fastest quarter of the rounds) / median
  double onednn_int8 = 0;  // ratio of oneDNN's time to this one's
  double soniq_w8a8 = 0;   // ratio of our 8-bit time to this one's
  double one_thread = 0;   // ratio of the time with one thread to this one's
  double roofline = 0;     // least time possible over this one's
  size_t weight_bytes = 0;
  std::string kernel;
};

// Packs, verifies, measures all rows in turns, and frees everything but the results. Rows that others are
// compared with must be among `keys` for the comparison to be made.
std::vector<RowResult> MeasureShape(const Shape& shape, const std::vector<RowKey>& keys, const Roofline& roofline,
                                    const RoundRobinOptions& options, bool pin);
