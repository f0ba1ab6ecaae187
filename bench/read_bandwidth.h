// How fast memory can be read, by the size of what is read again and again.
#pragma once

#include <cstddef>
#include <vector>

struct Bandwidth {
  size_t bytes;             // of the whole buffer
  double bytes_per_second;  // all threads together
};

// Powers of two from 8 KiB to 256 MiB; each thread reads its own part of the buffer. Takes about two seconds.
std::vector<Bandwidth> MeasureReadBandwidths(int threads);

// Between two sizes measured, on the straight line over the logarithms.
double BandwidthAt(const std::vector<Bandwidth>& measured, size_t bytes);
