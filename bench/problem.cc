#include "problem.h"
#include "isa.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

namespace {

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", ProgramName(), message.c_str());
  std::exit(1);
}

// The finaliser of MurmurHash3: each bit of the place changes each bit of the result.
uint64_t Hash(uint64_t place) {
  place = (place ^ (place >> 33)) * 0xff51afd7ed558ccdULL;
  place = (place ^ (place >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return place ^ (place >> 33);
}

}  // namespace

std::string Shape::Name() const {
  return std::to_string(rows) + "x" + std::to_string(channels) + "x" + std::to_string(outputs);
}

Scheme ParseScheme(const std::string& name) {
  static const std::regex pattern(R"(w([1-8])a([1-8])(?:\+w([1-8])a([1-8])@(\d+(?:\.\d+)?))?)");
  std::smatch match;
  if (!std::regex_match(name, match, pattern)) Fail("not a scheme: " + name);
  Scheme scheme{name, {{std::stoi(match[1]), std::stoi(match[2])}}, 1};
  if (match[3].matched) {
    scheme.levels.push_back({std::stoi(match[3]), std::stoi(match[4])});
    scheme.first_share = std::stod(match[5]) / 100;
    if (scheme.first_share <= 0 || scheme.first_share >= 1) Fail("not a share between 0 and 100: " + name);
  }
  return scheme;
}

std::vector<Shape> ReadShapes(const std::string& path) {
  std::ifstream file(path);
  if (!file) Fail("cannot read " + path);
  std::vector<Shape> shapes;
  for (std::string line; std::getline(file, line);) {
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::istringstream fields(line);
    Shape shape{};
    std::string rest;
    if (!(fields >> shape.rows >> shape.channels >> shape.outputs) || fields >> rest || shape.rows == 0 ||
        shape.channels == 0 || shape.outputs == 0) {
      Fail(path + ": not a line 'M K N': " + line);
    }
    shapes.push_back(shape);
  }
  return shapes;
}

Problem::Problem(const Shape& shape, const Scheme& scheme, int activation_code_bits)
    : shape(shape), scheme(scheme), channel_levels_(shape.channels), first_channels_(scheme.levels.size()) {
  const size_t channels = shape.channels;
  for (size_t channel = 0; channel < channels && scheme.levels.size() > 1; channel++) {
    const auto before = [&](size_t count) { return std::floor(double(count) * scheme.first_share); };
    channel_levels_[channel] = before(channel + 1) == before(channel) ? 1 : 0;
  }
  for (size_t channel = channels; channel-- > 0;) first_channels_[channel_levels_[channel]] = channel;
  codes_.resize(shape.rows * channels);
  floats_.resize(codes_.size());
  for (size_t i = 0; i < codes_.size(); i++) {
    const uint64_t hash = Hash(i + 1);
    const int bits = activation_code_bits ? activation_code_bits : LevelOf(i % channels).activation_bits;
    codes_[i] = uint8_t(hash & ((1u << bits) - 1));
    floats_[i] = float(int32_t(hash >> 32)) * 0x1p-31f;
  }
}

int Problem::Weight(size_t output, size_t channel) const {
  const Level& level = LevelOf(channel);
  const int count = 1 << level.weight_bits;
  // The first weight of each level and output is the lowest one, which fixes the scale.
  const bool first = channel == first_channels_[channel_levels_[channel]];
  const int code = first ? 0 : int(Hash(~(output * shape.channels + channel)) & unsigned(count - 1));
  return level.BipolarWeights() ? 2 * code - (count - 1) : code - count / 2;
}

int64_t Problem::ExpectedSum(size_t row, size_t output) const {
  int64_t sum = 0;
  for (size_t channel = 0; channel < shape.channels; channel++) {
    const Level& level = LevelOf(channel);
    const int code = codes_[row * shape.channels + channel];
    const int activation = level.BipolarActivations() ? 2 * code - 1 : code;
    sum += int64_t(activation) * Weight(output, channel);
  }
  return sum;
}

double Problem::ExpectedResult(size_t row, size_t output) const {
  double sum = 0;
  for (size_t channel = 0; channel < shape.channels; channel++) {
    sum += double(floats_[row * shape.channels + channel]) * Weight(output, channel) * kWeightScale;
  }
  return sum;
}
