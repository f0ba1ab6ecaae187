// Convolutions as bench/models/*.txt lists them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Square images, kernels, strides and paddings. `occurrences` is how often the network has this convolution.
struct Convolution {
  int64_t channels, size, outputs, kernel, stride, padding, groups, occurrences;

  int64_t output_size() const { return (size + 2 * padding - kernel) / stride + 1; }
  // "64x56x56-64-3x3-s1", "-g32" added for groups.
  std::string Name() const;
  // Multiply-accumulates for one image.
  double Products() const;
};

// Exits with a message naming file and line for what is not a list.
std::vector<Convolution> ReadConvolutions(const std::string& path);
