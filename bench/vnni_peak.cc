#include "vnni_peak.h"

#include <algorithm>
#include <chrono>

namespace {

constexpr int kAccumulators = 12;  // More than latency times throughput on any CPU so far.
constexpr int kRounds = 100000;
constexpr double kProductsPerInstruction = 64;

// In assembly: compilers move the accumulators of such a loop through memory.
__attribute__((target("avx512f,avx512vnni"))) double SecondsForRounds() {
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < kRounds; round++) {
    asm volatile(
        "vpdpbusd %%zmm12, %%zmm13, %%zmm0\n vpdpbusd %%zmm12, %%zmm13, %%zmm1\n"
        "vpdpbusd %%zmm12, %%zmm13, %%zmm2\n vpdpbusd %%zmm12, %%zmm13, %%zmm3\n"
        "vpdpbusd %%zmm12, %%zmm13, %%zmm4\n vpdpbusd %%zmm12, %%zmm13, %%zmm5\n"
        "vpdpbusd %%zmm12, %%zmm13, %%zmm6\n vpdpbusd %%zmm12, %%zmm13, %%zmm7\n"
        "vpdpbusd %%zmm12, %%zmm13, %%zmm8\n vpdpbusd %%zmm12, %%zmm13, %%zmm9\n"
        "vpdpbusd %%zmm12, %%zmm13, %%zmm10\n vpdpbusd %%zmm12, %%zmm13, %%zmm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11");
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double MeasureVnniPeakPerSecond() {
  if (!__builtin_cpu_supports("avx512vnni")) return 0;
  double best = 1e9;
  for (int i = 0; i < 100; i++) best = std::min(best, SecondsForRounds());
  return kAccumulators * kProductsPerInstruction * kRounds / best;
}
