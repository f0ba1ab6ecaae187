// What is multiplied: the shape, the scheme, and integers that every engine gets alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// rows (M) x channels (K) times channels x outputs (N).
struct Shape {
  size_t rows, channels, outputs;
  std::string Name() const;  // "1x4096x4096"
  double Products() const { return double(rows) * double(channels) * double(outputs); }
};

// One precision: weights of 1 to 3 bits and activations of 1 bit are bipolar (odd integers, no zero), the
// others affine: unsigned activations, weights with their zero in the middle.
struct Level {
  int weight_bits, activation_bits;
  bool BipolarWeights() const { return weight_bits <= 3; }
  bool BipolarActivations() const { return activation_bits == 1; }
};

// "w4a8", or "w1a1+w4a4@75": two levels, 75 % of the channels at the first.
struct Scheme {
  std::string name;
  std::vector<Level> levels;
  double first_share = 1;
};

// Exits with a message when the text is no scheme.
Scheme ParseScheme(const std::string& name);

// Lines "M K N  # where it comes from". Exits with a message when the file cannot be read or is malformed.
std::vector<Shape> ReadShapes(const std::string& path);

// Weights and activations are made by hashing their place, so that nothing large needs to be kept for the
// reference, and the weights lie on the grid of their level, so that packing changes nothing.
class Problem {
 public:
  // Activation codes keep `activation_code_bits` bits when that is not 0: some kernels saturate with more.
  Problem(const Shape& shape, const Scheme& scheme, int activation_code_bits = 0);

  const Shape shape;
  const Scheme scheme;

  // Of each channel, 0 or 1: spread evenly, so that they have to be gathered.
  const std::vector<uint8_t>& channel_levels() const { return channel_levels_; }
  // [rows][channels], one code a byte.
  const std::vector<uint8_t>& codes() const { return codes_; }
  // [rows][channels], in -1..1.
  const std::vector<float>& floats() const { return floats_; }

  // The integer of a weight. The real weight is this times kWeightScale.
  int Weight(size_t output, size_t channel) const;
  static constexpr float kWeightScale = 1.0f / 128;

  int64_t ExpectedSum(size_t row, size_t output) const;    // of integers of weights and codes
  double ExpectedResult(size_t row, size_t output) const;  // of real weights and floats

 private:
  const Level& LevelOf(size_t channel) const { return scheme.levels[channel_levels_[channel]]; }

  std::vector<uint8_t> channel_levels_;
  std::vector<size_t> first_channels_;  // of each level
  std::vector<uint8_t> codes_;
  std::vector<float> floats_;
};
