// Matrix products through soniq.h. Names: soniq/<boundary>/<scheme>/<rows>x<channels>x<outputs>
//   boundary f32:   float rows in, float rows out, quantisation inside
//   boundary codes: one-byte activation codes in, int32 sums out
// Counters: GMAC/s, and the share of the core's 8-bit peak (register-only vpdpbusd, measured at start).
#include <benchmark/benchmark.h>
#include <soniq.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "vnni_peak.h"

namespace {

struct Shape {
  size_t rows, channels, outputs;
};

// MiniLM's layers at 1, 16 and 256 tokens, and a layer of a 7B language model.
constexpr Shape kShapes[] = {
    {1, 384, 1536},  {16, 384, 1536},  {256, 384, 1536}, {256, 384, 1152},
    {1, 1536, 384},  {16, 1536, 384},  {256, 1536, 384}, {1, 4096, 4096},
};

struct Scheme {
  const char* name;
  uint32_t weight_bits;
};

constexpr Scheme kSchemes[] = {{"w8a8", 8}, {"w4a8", 4}, {"w2a8", 2}, {"w1a8", 1}};

using MatrixPointer = std::unique_ptr<soniq_matrix, decltype(&soniq_matrix_destroy)>;

void ExitOnError(soniq_status status, soniq_error* error) {
  if (status == SONIQ_OK) return;
  std::fprintf(stderr, "%s: %s\n", soniq_status_name(status), soniq_error_message(error));
  std::exit(1);
}

std::vector<float> RandomValues(size_t count) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (auto& value : values) value = normal(generator);
  return values;
}

MatrixPointer Pack(const Scheme& scheme, const Shape& shape) {
  const auto weights = RandomValues(shape.outputs * shape.channels);
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  options.levels[0].weight_bits = scheme.weight_bits;
  options.block_rows = static_cast<uint32_t>(shape.rows);
  soniq_matrix* matrix = nullptr;
  soniq_error* error = nullptr;
  ExitOnError(soniq_matrix_pack(&matrix, weights.data(), shape.outputs, shape.channels, &options, &error), error);
  return {matrix, &soniq_matrix_destroy};
}

void Report(benchmark::State& state, const Shape& shape, double peak) {
  const double products = double(shape.rows) * shape.channels * shape.outputs;
  using benchmark::Counter;
  state.counters["GMAC/s"] = Counter(products / 1e9, Counter::kIsIterationInvariantRate);
  if (peak > 0) state.counters["peak"] = Counter(products / peak, Counter::kIsIterationInvariantRate);
}

void Floats(benchmark::State& state, const Scheme& scheme, const Shape& shape, double peak) {
  const auto matrix = Pack(scheme, shape);
  const auto input = RandomValues(shape.rows * shape.channels);
  std::vector<float> output(shape.rows * shape.outputs);
  soniq_error* error = nullptr;
  for (auto _ : state) {
    ExitOnError(soniq_matrix_multiply(matrix.get(), input.data(), 0, shape.rows, output.data(), 0, &error), error);
    benchmark::ClobberMemory();
  }
  Report(state, shape, peak);
}

void Codes(benchmark::State& state, const Scheme& scheme, const Shape& shape, double peak) {
  const auto matrix = Pack(scheme, shape);
  std::mt19937 generator(2);
  std::vector<uint8_t> codes(shape.rows * shape.channels);
  for (auto& code : codes) code = static_cast<uint8_t>(generator());
  std::vector<int32_t> output(shape.rows * shape.outputs);
  soniq_error* error = nullptr;
  for (auto _ : state) {
    ExitOnError(soniq_matrix_multiply_codes(matrix.get(), codes.data(), nullptr, shape.rows, output.data(), 0, &error),
                error);
    benchmark::ClobberMemory();
  }
  Report(state, shape, peak);
}

}  // namespace

int main(int argc, char** argv) {
  const double peak = MeasureVnniPeakPerSecond();
  std::fprintf(stderr, "%s\nvpdpbusd peak of one core: %.1f GMAC/s\n", soniq_build_info(), peak / 1e9);
  for (const auto& shape : kShapes) {
    for (const auto& scheme : kSchemes) {
      const std::string tail = std::string(scheme.name) + "/" + std::to_string(shape.rows) + "x" +
                               std::to_string(shape.channels) + "x" + std::to_string(shape.outputs);
      const auto add = [&](const std::string& boundary, auto function) {
        benchmark::RegisterBenchmark(("soniq/" + boundary + "/" + tail).c_str(),
                                     [=](benchmark::State& state) { function(state, scheme, shape, peak); });
      };
      add("f32", Floats);
      add("codes", Codes);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
