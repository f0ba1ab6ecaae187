// How Google Benchmark reports our rows: one readable line each, and its JSON with the names as registered.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdio>
#include <vector>

// Microseconds, GMAC/s, ratio to oneDNN INT8 and to our 8 bits, per cent of the roofline.
class LineReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const auto counter = [&](const char* name) {
        const auto found = run.counters.find(name);
        return found == run.counters.end() ? 0.0 : double(found->second);
      };
      std::printf("%-72s %10.2f us %8.1f GMAC/s %6.2fx oneDNN %6.2fx w8a8 %4.0f %% roofline  %s\n",
                  run.run_name.function_name.c_str(), run.GetAdjustedRealTime(), counter("GMAC/s"),
                  counter("ratio_to_onednn_int8"), counter("ratio_to_w8a8"), counter("roofline_percent"),
                  run.report_label.c_str());
    }
    std::fflush(stdout);
  }
};

// Leaves out what Google Benchmark adds to a name: "/iterations:1/manual_time".
class ExactNameJsonReporter : public benchmark::JSONReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    auto named = runs;
    for (Run& run : named) {
      run.run_name.iterations.clear();
      run.run_name.time_type.clear();
    }
    benchmark::JSONReporter::ReportRuns(named);
  }
};
