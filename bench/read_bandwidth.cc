#include "read_bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "affinity.h"
#include "isa.h"

namespace {

constexpr size_t kSmallest = 8 << 10, kLargest = 256 << 20;
constexpr int kSamples = 10;
constexpr double kSampleSeconds = 0.002;

__attribute__((target("avx512f"))) void ReadAvx512(const char* data, size_t bytes) {
  for (const char* end = data + bytes; data < end; data += 512) {
    asm volatile(".irp n,0,1,2,3,4,5,6,7\n vmovdqa64 64*\\n(%0), %%zmm\\n\n .endr\n" ::"r"(data)
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
  }
}

__attribute__((target("avx2"))) void ReadAvx2(const char* data, size_t bytes) {
  for (const char* end = data + bytes; data < end; data += 256) {
    asm volatile(".irp n,0,1,2,3,4,5,6,7\n vmovdqa 32*\\n(%0), %%ymm\\n\n .endr\n" ::"r"(data)
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
  }
}

void ReadPortable(const char* data, size_t bytes) {
  for (const char* end = data + bytes; data < end; data += 128) {
    asm volatile(".irp n,0,1,2,3,4,5,6,7\n movdqa 16*\\n(%0), %%xmm\\n\n .endr\n" ::"r"(data)
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
  }
}

// The best of several samples: neighbours can only take bandwidth away.
double Measure(const char* data, size_t bytes) {
  const auto read = UsesAvx512() ? ReadAvx512 : UsesAvx2() ? ReadAvx2 : ReadPortable;
  double best = 0;
  read(data, bytes);
  for (int sample = 0; sample < kSamples; sample++) {
    double total = 0, seconds = 0;
    const auto start = std::chrono::steady_clock::now();
    do {
      read(data, bytes);
      total += double(bytes);
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    } while (seconds < kSampleSeconds);
    best = std::max(best, total / seconds);
  }
  return best;
}

}  // namespace

std::vector<Bandwidth> MeasureReadBandwidths(int threads) {
  void* const buffer = mmap(nullptr, kLargest, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) {
    std::fprintf(stderr, "%s: no memory to measure the bandwidth\n", ProgramName());
    std::exit(1);
  }
  madvise(buffer, kLargest, MADV_HUGEPAGE);
  std::memset(buffer, 1, kLargest);
  std::vector<Bandwidth> measured;
  for (size_t bytes = kSmallest; bytes <= kLargest; bytes *= 2) {
    const size_t part = bytes / size_t(threads) / 512 * 512;
    measured.push_back({bytes, SumOverThreads(threads, [=](int index) {
      return Measure(static_cast<const char*>(buffer) + size_t(index) * part, part);
    })});
  }
  munmap(buffer, kLargest);
  return measured;
}

double BandwidthAt(const std::vector<Bandwidth>& measured, size_t bytes) {
  if (bytes <= measured.front().bytes) return measured.front().bytes_per_second;
  for (size_t i = 1; i < measured.size(); i++) {
    const Bandwidth &below = measured[i - 1], &above = measured[i];
    if (bytes > above.bytes) continue;
    const double place = std::log2(double(bytes) / double(below.bytes));
    return below.bytes_per_second * std::pow(above.bytes_per_second / below.bytes_per_second, place);
  }
  return measured.back().bytes_per_second;
}
