#include "roofline.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>

#include "isa.h"

namespace {

double LevelCeiling(const Peaks& peaks, const Level& level) {
  const int halves = level.activation_bits > 4 ? 2 : 1;
  return std::max({level.weight_bits <= 4 ? peaks.nibbles : peaks.bytes, peaks.popcount / (level.weight_bits * level.activation_bits),
                   peaks.table / (level.weight_bits * halves)});
}

std::string Text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

}  // namespace

Roofline::Roofline(int threads)
    : threads_(threads), peaks_(MeasurePeaks(threads)), bandwidths_(MeasureReadBandwidths(threads)) {}

double Roofline::ComputeCeiling(const Scheme& scheme) const {
  if (scheme.levels.size() == 1) return LevelCeiling(peaks_, scheme.levels[0]);
  return 1 / (scheme.first_share / LevelCeiling(peaks_, scheme.levels[0]) +
              (1 - scheme.first_share) / LevelCeiling(peaks_, scheme.levels[1]));
}

double Roofline::LeastSeconds(const Shape& shape, double compute_ceiling, size_t weight_bytes) const {
  return std::max(shape.Products() / compute_ceiling, double(weight_bytes) / BandwidthAt(bandwidths_, weight_bytes));
}

void Roofline::AddContext() const {
  // Several reports are merged into one: the keys say which run they are of.
  const std::string prefix = "threads:" + std::to_string(threads_) + "/isa:" + SelectedIsa() + "/";
  const auto add = [&](const std::string& key, double value) { benchmark::AddCustomContext(prefix + key, Text(value)); };
  add("peak_bytes_gmacs", peaks_.bytes / 1e9);
  add("peak_nibbles_gmacs", peaks_.nibbles / 1e9);
  add("peak_popcount_gmacs", peaks_.popcount / 1e9);
  add("peak_table_gmacs", peaks_.table / 1e9);
  add("peak_floats_gmacs", peaks_.floats / 1e9);
  for (const Bandwidth& bandwidth : bandwidths_) {
    char key[32];
    std::snprintf(key, sizeof key, "read_gbs_%06zuKiB", bandwidth.bytes >> 10);
    add(key, bandwidth.bytes_per_second / 1e9);
  }
}
