// Soniq, through soniq.h and nothing else.
#include <soniq.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine.h"
#include "isa.h"

namespace {

void Check(soniq_status status, soniq_error* error) {
  if (status == SONIQ_OK) return;
  std::fprintf(stderr, "%s: soniq: %s: %s\n", ProgramName(), soniq_status_name(status), soniq_error_message(error));
  std::exit(1);
}

soniq_level LevelOptions(const Level& level) {
  soniq_level options = SONIQ_LEVEL_INIT;
  options.weight_code = level.BipolarWeights() ? SONIQ_CODE_BIPOLAR : SONIQ_CODE_AFFINE;
  options.weight_bits = uint32_t(level.weight_bits);
  options.activation_code = level.BipolarActivations() ? SONIQ_CODE_BIPOLAR : SONIQ_CODE_AFFINE;
  options.activation_bits = uint32_t(level.activation_bits);
  return options;
}

class SoniqEngine : public Engine {
 public:
  SoniqEngine(const Shape& shape, const Scheme& scheme, int threads)
      : problem_(shape, scheme), sums_(shape.rows * shape.outputs), results_(sums_.size()) {
    soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
    options.level_count = uint32_t(scheme.levels.size());
    std::transform(scheme.levels.begin(), scheme.levels.end(), options.levels, LevelOptions);
    if (scheme.levels.size() > 1) options.channel_levels = problem_.channel_levels().data();
    options.thread_count = uint32_t(threads);
    options.block_rows = uint32_t(std::min<size_t>(shape.rows, 256));
    std::vector<float> weights(shape.outputs * shape.channels);
    for (size_t output = 0, i = 0; output < shape.outputs; output++) {
      for (size_t channel = 0; channel < shape.channels; channel++) {
        weights[i++] = float(problem_.Weight(output, channel)) * Problem::kWeightScale;
      }
    }
    soniq_error* error = nullptr;
    Check(soniq_matrix_pack(&matrix_, weights.data(), shape.outputs, shape.channels, &options, &error), error);
  }

  ~SoniqEngine() override { soniq_matrix_destroy(matrix_); }
  SoniqEngine(const SoniqEngine&) = delete;
  SoniqEngine& operator=(const SoniqEngine&) = delete;

  bool Has(Boundary) const override { return true; }

  void Run(Boundary boundary) override {
    soniq_error* error = nullptr;
    const size_t rows = problem_.shape.rows;
    Check(boundary == Boundary::kCodes
              ? soniq_matrix_multiply_codes(matrix_, problem_.codes().data(), nullptr, rows, sums_.data(), 0, &error)
              : soniq_matrix_multiply(matrix_, problem_.floats().data(), 0, rows, results_.data(), 0, &error),
          error);
  }

  const int32_t* sums() const override { return sums_.data(); }
  const float* results() const override { return results_.data(); }
  const Problem& problem() const override { return problem_; }

  size_t weight_bytes() const override {
    soniq_matrix_info info = SONIQ_MATRIX_INFO_INIT;
    soniq_error* error = nullptr;
    Check(soniq_matrix_get_info(matrix_, &info, &error), error);
    return info.weight_bytes;
  }

  std::string kernel() const override {
    soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
    soniq_error* error = nullptr;
    Check(soniq_matrix_get_kernel(matrix_, &report, &error), error);
    return report.kernel ? report.kernel : "";
  }

 private:
  const Problem problem_;
  soniq_matrix* matrix_ = nullptr;
  std::vector<int32_t> sums_;
  std::vector<float> results_;
};

}  // namespace

std::unique_ptr<Engine> MakeSoniq(const Shape& shape, const Scheme& scheme, int threads) {
  return std::make_unique<SoniqEngine>(shape, scheme, threads);
}
