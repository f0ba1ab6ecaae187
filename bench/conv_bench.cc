// oneDNN's INT8 convolutions of a network, each alone: what the fastest 8-bit kernels leave of its time.
// docs/performance.md describes the method.
//
// usage: conv_bench --convolutions=FILE[,FILE...] [OPTION...] [GOOGLE-BENCHMARK-OPTION...]
//   --threads=1  --batch=1  --rounds=9  --chunk-milliseconds=3
//   --isa=NAME              portable, avx2 or avx512; default: the newest of the machine, up to SONIQ_MAX_ISA
//   --destinations=u8,s32   u8: scaled, ReLU, rounded to bytes; s32: sums
//
// Names: onednn_int8/conv/<channels>x<size>x<size>-<outputs>-<kernel>-s<stride>[-g<groups>]/<destination>/batch:<b>
// /threads:<t>. Each is reported as one iteration that took the median time of its rounds.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <set>

#include "affinity.h"
#include "conv_problem.h"
#include "isa.h"
#include "onednn_conv.h"
#include "options.h"
#include "reporters.h"
#include "round_robin.h"

namespace {

using Destination = OneDnnConvolution::Destination;

const Options kDefaults = {{"convolutions", ""}, {"threads", "1"}, {"batch", "1"}, {"isa", ""},
                           {"rounds", "9"}, {"destinations", "u8,s32"}, {"chunk-milliseconds", "3"}};

void VerifyOrExit(const Convolution& shape, int64_t batch, int threads) {
  OneDnnConvolution sums(shape, batch, Destination::kSums, threads);
  sums.Run();
  if (sums.IsRight(32)) return;
  std::fprintf(stderr, "%s: %s: wrong sums\n", ProgramName(), shape.Name().c_str());
  std::exit(1);
}

void Measure(benchmark::State& state, const Convolution& shape, Destination destination, const Options& options) {
  const int threads = Number(options, "threads"), batch = Number(options, "batch");
  const OneCore pinned(threads == 1);
  VerifyOrExit(shape, batch, threads);
  OneDnnConvolution convolution(shape, batch, destination, threads);
  std::vector<Contestant> contestants = {{[&] { convolution.Run(); }, {}}};
  MeasureRoundRobin(contestants, {Number(options, "rounds"), ChunkSeconds(options), 0, 0, threads == 1});
  const double seconds = Median(contestants[0].round_seconds);
  for (auto _ : state) state.SetIterationTime(seconds);
  state.counters["GMAC/s"] = double(batch) * shape.Products() / seconds / 1e9;
  state.counters["occurrences"] = double(shape.occurrences);
  state.SetLabel(convolution.kernel());
}

void Register(const Options& options) {
  std::set<std::string> registered;
  for (const std::string& path : Split(options.at("convolutions"))) {
    for (const Convolution& shape : ReadConvolutions(path)) {
      for (const std::string& destination : Split(options.at("destinations"))) {
        const std::string name = "onednn_int8/conv/" + shape.Name() + "/" + destination +
                                 "/batch:" + options.at("batch") + "/threads:" + options.at("threads");
        if (!registered.insert(name).second) continue;
        const auto kind = destination == "u8" ? Destination::kBytes : Destination::kSums;
        const auto run = [shape, kind, options](benchmark::State& state) { Measure(state, shape, kind, options); };
        benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(1)->UseManualTime()->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = TakeOptions(kDefaults, argc, argv);
  const bool writes_file = WritesFile(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  SelectIsa(options.at("isa"));
  RequireCores(Number(options, "threads"));
  Register(options);
  benchmark::AddCustomContext("isa", SelectedIsa());
  benchmark::ConsoleReporter lines(benchmark::ConsoleReporter::OO_Tabular);
  ExactNameJsonReporter file;
  if (benchmark::RunSpecifiedBenchmarks(&lines, writes_file ? &file : nullptr) == 0) {
    std::fprintf(stderr, "%s: no convolution to measure\n", ProgramName());
    return 1;
  }
  return 0;
}
