#include "peaks.h"

#include <algorithm>
#include <chrono>

#include "affinity.h"
#include "isa.h"

namespace {

constexpr long kRounds = 4000;
constexpr int kSamples = 60;

// In assembly: compilers move the accumulators of such a loop through memory. One round is the body once for
// each of ten independent accumulators \n, more than latency times throughput on any CPU so far. %zmm1\n is
// a temporary of its own, registers 20 and up are constants.
#define LOOP(name, body)                                                                                       \
  void name(long rounds) {                                                                                     \
    asm volatile(ZERO_REGISTERS);                                                                              \
    for (; rounds > 0; rounds--) {                                                                             \
      asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9\n" body ".endr\n" ::                                            \
                       : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",       \
                         "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" EXTRA_CLOBBERS);                 \
    }                                                                                                          \
  }
constexpr int kBodies = 10;

#define EXTRA_CLOBBERS , "xmm16", "xmm17", "xmm18", "xmm19"
#define FOR_AVX512 __attribute__((target("avx512f")))
// Not what happens to be there: floats that are not normal can be slow.
#define ZERO_REGISTERS "vzeroall\n .irp n,0,1,2,3,4\n vpxord %zmm2\\n, %zmm2\\n, %zmm2\\n\n .endr\n"

FOR_AVX512 LOOP(BytesAvx512, "vpdpbusd %%zmm20, %%zmm21, %%zmm\\n\n")
FOR_AVX512 LOOP(PopcountAvx512,
                "vpandd %%zmm20, %%zmm21, %%zmm1\\n\n"
                "vpopcntd %%zmm1\\n, %%zmm1\\n\n"
                "vpaddd %%zmm1\\n, %%zmm\\n, %%zmm\\n\n")
// Without the making of the indices, which serve several rows or both halves of activations.
FOR_AVX512 LOOP(TableAvx512,
                "vpermb %%zmm20, %%zmm21, %%zmm1\\n\n"
                "vpdpbusd %%zmm1\\n, %%zmm22, %%zmm\\n\n")
FOR_AVX512 LOOP(FloatsAvx512, "vfmadd231ps %%zmm20, %%zmm21, %%zmm\\n\n")

#undef EXTRA_CLOBBERS
#define EXTRA_CLOBBERS
#undef ZERO_REGISTERS
#define ZERO_REGISTERS "vzeroall\n"
#define FOR_AVX2 __attribute__((target("avx2,fma")))

// Here ten accumulators leave six registers: 10 and 11 are temporaries, which renaming makes independent,
// 12 and up are constants.
FOR_AVX2 LOOP(BytesAvx2,
              "vpmaddubsw %%ymm12, %%ymm13, %%ymm10\n"
              "vpmaddwd %%ymm10, %%ymm14, %%ymm10\n"
              "vpaddd %%ymm10, %%ymm\\n, %%ymm\\n\n")
// Several sums of such products fit 16 bits. Widening is left out: it is rare.
FOR_AVX2 LOOP(NibblesAvx2,
              "vpmaddubsw %%ymm12, %%ymm13, %%ymm10\n"
              "vpaddw %%ymm10, %%ymm\\n, %%ymm\\n\n")
FOR_AVX2 LOOP(BytesAvxVnni, "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\n\n")
// Popcount of bytes by two look-ups of nibbles. Widening is left out: it is rare.
FOR_AVX2 LOOP(PopcountAvx2,
              "vpand %%ymm12, %%ymm13, %%ymm10\n"
              "vpsrlw $4, %%ymm10, %%ymm11\n"
              "vpand %%ymm14, %%ymm10, %%ymm10\n"
              "vpand %%ymm14, %%ymm11, %%ymm11\n"
              "vpshufb %%ymm10, %%ymm15, %%ymm10\n"
              "vpshufb %%ymm11, %%ymm15, %%ymm11\n"
              "vpaddb %%ymm10, %%ymm11, %%ymm10\n"
              "vpaddb %%ymm10, %%ymm\\n, %%ymm\\n\n")
// Widening and the making of indices are left out.
FOR_AVX2 LOOP(TableAvx2,
              "vpshufb %%ymm12, %%ymm13, %%ymm10\n"
              "vpaddb %%ymm10, %%ymm\\n, %%ymm\\n\n")
FOR_AVX2 LOOP(FloatsAvx2, "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\n\n")

#undef ZERO_REGISTERS
#define ZERO_REGISTERS ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n pxor %xmm\\n, %xmm\\n\n .endr\n"
#define FOR_PORTABLE __attribute__((target("sse4.2")))

// The same with 128 bits and two operands: what a constant is copied to is overwritten.
FOR_PORTABLE LOOP(BytesPortable,
                  "movdqa %%xmm13, %%xmm10\n"
                  "pmaddubsw %%xmm12, %%xmm10\n"
                  "pmaddwd %%xmm14, %%xmm10\n"
                  "paddd %%xmm10, %%xmm\\n\n")
FOR_PORTABLE LOOP(NibblesPortable,
                  "movdqa %%xmm13, %%xmm10\n"
                  "pmaddubsw %%xmm12, %%xmm10\n"
                  "paddw %%xmm10, %%xmm\\n\n")
FOR_PORTABLE LOOP(PopcountPortable,
                  "movdqa %%xmm12, %%xmm10\n"
                  "pand %%xmm12, %%xmm10\n"
                  "movdqa %%xmm10, %%xmm11\n"
                  "psrlw $4, %%xmm11\n"
                  "pand %%xmm14, %%xmm10\n"
                  "pand %%xmm14, %%xmm11\n"
                  "movdqa %%xmm15, %%xmm13\n"
                  "pshufb %%xmm10, %%xmm13\n"
                  "paddb %%xmm13, %%xmm\\n\n"
                  "movdqa %%xmm15, %%xmm13\n"
                  "pshufb %%xmm11, %%xmm13\n"
                  "paddb %%xmm13, %%xmm\\n\n")
FOR_PORTABLE LOOP(TablePortable,
                  "movdqa %%xmm13, %%xmm10\n"
                  "pshufb %%xmm12, %%xmm10\n"
                  "paddb %%xmm10, %%xmm\\n\n")
FOR_PORTABLE LOOP(FloatsPortable,
                  "movaps %%xmm13, %%xmm10\n"
                  "mulps %%xmm12, %%xmm10\n"
                  "addps %%xmm10, %%xmm\\n\n")

// Products a second of a loop whose body makes `products`, on all threads at once.
double Measure(void (*loop)(long), double products, int threads) {
  return SumOverThreads(threads, [=](int) {
    double best = 1e9;
    for (int sample = 0; sample < kSamples; sample++) {
      const auto start = std::chrono::steady_clock::now();
      loop(kRounds);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return products * kBodies * kRounds / best;
  });
}

}  // namespace

Peaks MeasurePeaks(int threads) {
  const auto measure = [threads](void (*loop)(long), double products) { return Measure(loop, products, threads); };
  Peaks peaks;
  if (UsesAvx512()) {
    peaks.bytes = peaks.nibbles = measure(BytesAvx512, 64);
    // 0 where the CPU has no such instruction: then no kernel is built on it either.
    peaks.popcount = __builtin_cpu_supports("avx512vpopcntdq") ? measure(PopcountAvx512, 512) : 0;
    peaks.table = __builtin_cpu_supports("avx512vbmi") ? measure(TableAvx512, 256) : 0;
    peaks.floats = measure(FloatsAvx512, 16);
    return peaks;
  }
  if (!UsesAvx2()) {
    peaks.bytes = measure(BytesPortable, 16);
    peaks.nibbles = measure(NibblesPortable, 16);
    peaks.popcount = measure(PopcountPortable, 128);
    peaks.table = measure(TablePortable, 64);
    peaks.floats = measure(FloatsPortable, 4);
    return peaks;
  }
  const bool vnni = __builtin_cpu_supports("avxvnni");
  peaks.bytes = vnni ? measure(BytesAvxVnni, 32) : measure(BytesAvx2, 32);
  peaks.nibbles = vnni ? peaks.bytes : measure(NibblesAvx2, 32);
  peaks.popcount = measure(PopcountAvx2, 256);
  peaks.table = measure(TableAvx2, 128);
  peaks.floats = measure(FloatsAvx2, 8);
  return peaks;
}
