// The most that one core, or several at once, can do: register-only loops of the instructions that kernels
// spend their time in. What a scheme can reach at best follows from them (see roofline.h).
#pragma once

// Multiply-accumulates a second, all threads together.
struct Peaks {
  double bytes;     // 8-bit products: vpdpbusd; without it vpmaddubsw, vpmaddwd, vpaddd
  double nibbles;   // weights of up to 4 bits: the same; without vpdpbusd vpmaddubsw, vpaddw
  double popcount;  // products of two bits: and, popcount, add
  double table;     // products of a weight bit and an activation of up to 4 bits: index, table look-up, sum
  double floats;    // fused multiply-add
};

// Takes about 100 ms. The threads are those the process may run on, the first `threads` of them.
Peaks MeasurePeaks(int threads);
