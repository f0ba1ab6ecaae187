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
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "affinity.h"
#include "conv_problem.h"
#include "isa.h"
#include "onednn_conv.h"
#include "reporters.h"
#include "round_robin.h"

namespace {

using Options = std::map<std::string, std::string>;
using Destination = OneDnnConvolution::Destination;

Options TakeOptions(int& argc, char** argv) {
  Options options = {{"convolutions", ""}, {"threads", "1"},  {"batch", "1"}, {"isa", ""},
                     {"rounds", "9"},      {"destinations", "u8,s32"}, {"chunk-milliseconds", "3"}};
  int kept = 1;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const bool is_option = argument.compare(0, 2, "--") == 0 && equals != std::string::npos;
    const auto option = is_option ? options.find(argument.substr(2, equals - 2)) : options.end();
    if (option == options.end()) {
      argv[kept++] = argv[i];
    } else {
      option->second = argument.substr(equals + 1);
    }
  }
  argc = kept;
  return options;
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

int Number(const Options& options, const char* name) { return std::atoi(options.at(name).c_str()); }

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
  const double chunk = std::atof(options.at("chunk-milliseconds").c_str()) / 1000;
  MeasureRoundRobin(contestants, {Number(options, "rounds"), chunk, 0, 0, threads == 1});
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
  const Options options = TakeOptions(argc, argv);
  const bool writes_file = [&] {
    for (int i = 1; i < argc; i++) {
      if (std::strncmp(argv[i], "--benchmark_out=", 16) == 0) return true;
    }
    return false;
  }();
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
