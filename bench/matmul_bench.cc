// Matrix products of soniq, through soniq.h, against oneDNN. docs/performance.md describes the method.
//
// usage: matmul_bench --list-isas        prints what --isa may be on this machine, oldest first
//        matmul_bench --shapes=FILE[,FILE...] [OPTION...] [GOOGLE-BENCHMARK-OPTION...]
//   --threads=1        of each multiplication; 1 is pinned to a core
//   --isa=NAME         portable, avx2 or avx512, for both libraries; default: the newest of the machine, up to SONIQ_MAX_ISA
//   --schemes=...      of soniq, separated by commas
//   --boundaries=codes,f32
//   --baselines=1      0: soniq only
//   --rounds=9  --chunk-milliseconds=3  (five times as long for weights above 1 MiB, and for several threads)
//
// Names: <engine>/<scheme>/<M>x<K>x<N>/threads:<t>/boundary:<codes|f32>/isa:<isa>. Rows of one shape are measured
// together, in turns, when the first of them is asked for; each is then reported as one iteration that took the
// median time of a multiplication.
#include <benchmark/benchmark.h>
#include <soniq.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <set>

#include "affinity.h"
#include "isa.h"
#include "options.h"
#include "reporters.h"
#include "shape_group.h"

namespace {

const Options kDefaults = {
    {"shapes", ""},
    {"threads", "1"},
    {"isa", ""},
    {"schemes", "w1a1,w1a4,w1a8,w2a2,w2a4,w2a8,w3a3,w4a4,w4a8,w8a8,w1a1+w4a4@75,w1a1+w4a4@87.5"},
    {"boundaries", "codes,f32"},
    {"baselines", "1"},
    {"rounds", "9"},
    {"chunk-milliseconds", "3"}};

// Rows of a shape, in the order of the report; with several threads also ours with one, to compare with.
std::vector<RowKey> MakeKeys(const Options& options) {
  const int threads = Number(options, "threads");
  std::vector<RowKey> keys;
  for (const std::string& boundary_name : Split(options.at("boundaries"))) {
    const Boundary boundary = boundary_name == "codes" ? Boundary::kCodes : Boundary::kFloats;
    if (options.at("baselines") != "0") {
      keys.push_back({"onednn_int8", "w8a8", boundary, threads});
      if (boundary == Boundary::kFloats) keys.push_back({"onednn_f32", "f32", boundary, threads});
    }
    for (const std::string& scheme : Split(options.at("schemes"))) {
      ParseScheme(scheme);
      keys.push_back({"soniq", scheme, boundary, threads});
      if (threads > 1) keys.push_back({"soniq", scheme, boundary, 1});
    }
  }
  return keys;
}

// The rows of one shape, measured when the first is asked for.
struct Group {
  Shape shape;
  std::vector<RowKey> keys;
  std::vector<RowResult> results;
};

void Report(benchmark::State& state, const Shape& shape, const RowResult& result) {
  for (auto _ : state) state.SetIterationTime(result.seconds);
  state.counters["GMAC/s"] = shape.Products() / result.seconds / 1e9;
  state.counters["weight_bytes"] = double(result.weight_bytes);
  state.counters["bytes/s"] = double(result.weight_bytes) / result.seconds;
  state.counters["roofline_percent"] = 100 * result.roofline;
  state.counters["spread"] = result.spread;
  if (result.onednn_int8 > 0) state.counters["ratio_to_onednn_int8"] = result.onednn_int8;
  if (result.soniq_w8a8 > 0) state.counters["ratio_to_w8a8"] = result.soniq_w8a8;
  if (result.one_thread > 0) state.counters["ratio_to_one_thread"] = result.one_thread;
  state.SetLabel(result.kernel);
}

void Register(const Options& options, const Roofline& roofline) {
  const int threads = Number(options, "threads");
  // OpenMP's threads spin for some milliseconds after their last work. After a pause the system may wake a
  // thread on the core of the one that woke it, and needs some milliseconds to move it to the other.
  const double chunk_seconds = ChunkSeconds(options);
  const RoundRobinOptions round_robin = {Number(options, "rounds"), chunk_seconds,
                                         threads == 1 ? 0.0 : 5 * chunk_seconds, threads == 1 ? 0.0 : 0.02,
                                         threads == 1};
  std::set<std::string> registered;  // Several models have layers of the same shape.
  for (const std::string& path : Split(options.at("shapes"))) {
    for (const Shape& shape : ReadShapes(path)) {
      if (!registered.insert(shape.Name()).second) continue;
      auto group = std::make_shared<Group>(Group{shape, MakeKeys(options), {}});
      for (size_t row = 0; row < group->keys.size(); row++) {
        if (group->keys[row].threads != threads) continue;
        const auto run = [group, row, round_robin, threads, &roofline](benchmark::State& state) {
          if (group->results.empty()) {
            std::fprintf(stderr, "measuring %s\n", group->shape.Name().c_str());
            group->results = MeasureShape(group->shape, group->keys, roofline, round_robin,
                                          threads == 1);
          }
          Report(state, group->shape, group->results[row]);
        };
        benchmark::RegisterBenchmark(RowName(group->keys[row], shape).c_str(), run)
            ->Iterations(1)->UseManualTime()->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

// Two threads cannot be measured while others work: those of OpenMP wait for each other at every step.
void ReportLoad(int threads) {
  const double busy = BusyCores();
  char text[16];
  std::snprintf(text, sizeof text, "%.2f", busy);
  benchmark::AddCustomContext("threads:" + std::to_string(threads) + "/isa:" + SelectedIsa() + "/busy_cores", text);
  if (busy > 0.1) std::fprintf(stderr, "%s: others keep %s cores busy: times will be worse\n", ProgramName(), text);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list-isas") == 0) {
    for (const std::string& isa : MeasurableIsas()) std::printf("%s\n", isa.c_str());
    return 0;
  }
  const Options options = TakeOptions(kDefaults, argc, argv);
  const bool writes_file = WritesFile(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  SelectIsa(options.at("isa"));
  const int threads = Number(options, "threads");
  RequireCores(threads);
  ReportLoad(threads);
  const Roofline roofline(threads);
  roofline.AddContext();
  benchmark::AddCustomContext("library", soniq_build_info());
  benchmark::AddCustomContext("baseline", OneDnnVersion());
  Register(options, roofline);
  LineReporter lines;
  ExactNameJsonReporter file;
  if (benchmark::RunSpecifiedBenchmarks(&lines, writes_file ? &file : nullptr) == 0) {
    std::fprintf(stderr, "%s: no row to measure\n", ProgramName());
    return 1;
  }
  return 0;
}
