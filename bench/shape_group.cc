#include "shape_group.h"

#include <algorithm>
#include <future>
#include <map>
#include <tuple>

#include "affinity.h"
#include "isa.h"

namespace {

// Weights of this size come from the third level of cache or from memory. It takes many reads until a cache
// that the other contestants have just filled holds them as well as it can. Several threads need longer chunks too.
constexpr size_t kLargeWeightBytes = 1 << 20;
constexpr double kLongerChunk = 5;

using EngineKey = std::tuple<std::string, std::string, int>;
using Engines = std::map<EngineKey, std::unique_ptr<Engine>>;

const char* BoundaryName(Boundary boundary) { return boundary == Boundary::kCodes ? "codes" : "f32"; }

EngineKey KeyOf(const RowKey& key) { return {key.engine, key.scheme, key.threads}; }

// Packing takes longer than measuring: two matrices at a time. oneDNN is asked by this thread only, because
// the number of threads is a setting of the calling one.
Engines MakeEngines(const Shape& shape, const std::vector<RowKey>& keys) {
  Engines engines;
  std::vector<RowKey> packed;
  for (const RowKey& key : keys) {
    if (!engines.emplace(KeyOf(key), nullptr).second) continue;
    if (key.engine == "onednn_int8") engines[KeyOf(key)] = MakeOneDnnInt8(shape, key.threads);
    if (key.engine == "onednn_f32") engines[KeyOf(key)] = MakeOneDnnFloat(shape, key.threads);
    if (key.engine == "soniq") packed.push_back(key);
  }
  for (size_t i = 0; i < packed.size(); i += 2) {
    const auto make = [&shape](const RowKey& key) { return MakeSoniq(shape, ParseScheme(key.scheme), key.threads); };
    std::future<std::unique_ptr<Engine>> other;
    if (i + 1 < packed.size()) other = std::async(std::launch::async, make, packed[i + 1]);
    engines[KeyOf(packed[i])] = make(packed[i]);
    if (other.valid()) engines[KeyOf(packed[i + 1])] = other.get();
  }
  return engines;
}

double Spread(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const size_t quarter = seconds.size() / 4;
  return (seconds[seconds.size() - 1 - quarter] - seconds[quarter]) / Median(seconds);
}

double Ceiling(const RowKey& key, const Roofline& roofline) {
  if (key.engine == "soniq") return roofline.ComputeCeiling(ParseScheme(key.scheme));
  return key.engine == "onednn_f32" ? roofline.peaks().floats : roofline.peaks().bytes;
}

}  // namespace

std::string RowName(const RowKey& key, const Shape& shape) {
  return key.engine + "/" + key.scheme + "/" + shape.Name() + "/threads:" + std::to_string(key.threads) +
         "/boundary:" + BoundaryName(key.boundary) + "/isa:" + SelectedIsa();
}

std::vector<RowResult> MeasureShape(const Shape& shape, const std::vector<RowKey>& keys, const Roofline& roofline,
                                    const RoundRobinOptions& options, bool pin) {
  const Engines engines = MakeEngines(shape, keys);
  const OneCore pinned(pin);
  std::vector<Contestant> contestants;
  for (const RowKey& key : keys) {
    Engine& engine = *engines.at(KeyOf(key));
    Verify(engine, key.boundary, RowName(key, shape));
    contestants.push_back({[&engine, boundary = key.boundary] { engine.Run(boundary); }, {}});
  }
  RoundRobinOptions adjusted = options;
  for (const auto& [key, engine] : engines) {
    if (engine->weight_bytes() > kLargeWeightBytes || !pin) {
      adjusted.chunk_seconds = options.chunk_seconds * kLongerChunk;
    }
  }
  MeasureRoundRobin(contestants, adjusted);

  // Time of another row at the same boundary over that of this one; 0 when there is no such row.
  const auto ratio = [&](size_t row, const std::string& engine, const std::string& scheme, int threads) {
    for (size_t i = 0; i < keys.size(); i++) {
      const RowKey& key = keys[i];
      if (key.engine == engine && key.scheme == scheme && key.threads == threads && key.boundary == keys[row].boundary) {
        return MedianRatio(contestants[i].round_seconds, contestants[row].round_seconds);
      }
    }
    return 0.0;
  };
  std::vector<RowResult> results;
  for (size_t row = 0; row < keys.size(); row++) {
    const RowKey& key = keys[row];
    const Engine& engine = *engines.at(KeyOf(key));
    RowResult result;
    result.seconds = Median(contestants[row].round_seconds);
    result.spread = Spread(contestants[row].round_seconds);
    result.onednn_int8 = ratio(row, "onednn_int8", "w8a8", key.threads);
    result.soniq_w8a8 = ratio(row, "soniq", "w8a8", key.threads);
    if (key.threads > 1) result.one_thread = ratio(row, key.engine, key.scheme, 1);
    result.weight_bytes = engine.weight_bytes();
    result.roofline = roofline.LeastSeconds(shape, Ceiling(key, roofline), result.weight_bytes) / result.seconds;
    result.kernel = engine.kernel();
    results.push_back(result);
  }
  return results;
}
