// The names of the CPU features that kernels are compiled for, as this machine has them.
#ifndef SONIQ_CPU_FEATURE_NAMES_H
#define SONIQ_CPU_FEATURE_NAMES_H
#include <stddef.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

// Name of the feature with this index when the CPU has it, "" when it has not; null behind the last.
static inline const char *snq_cpu_feature_name(int index) {
#ifdef __x86_64__
#define SNQ_FEATURE(position, name) \
  case position:                    \
    return __builtin_cpu_supports(name) ? name : "";
  switch (index) {
    SNQ_FEATURE(0, "sse4.2")
    SNQ_FEATURE(1, "popcnt")
    SNQ_FEATURE(2, "avx")
    SNQ_FEATURE(3, "f16c")
    SNQ_FEATURE(4, "fma")
    SNQ_FEATURE(5, "bmi2")
    SNQ_FEATURE(6, "avx2")
    SNQ_FEATURE(7, "avxvnni")
    SNQ_FEATURE(8, "gfni")
    SNQ_FEATURE(9, "avx512f")
    SNQ_FEATURE(10, "avx512bw")
    SNQ_FEATURE(11, "avx512dq")
    SNQ_FEATURE(12, "avx512vl")
    SNQ_FEATURE(13, "avx512vnni")
    SNQ_FEATURE(14, "avx512vbmi")
    SNQ_FEATURE(15, "avx512vbmi2")
    SNQ_FEATURE(16, "avx512bitalg")
    SNQ_FEATURE(17, "avx512vpopcntdq")
    SNQ_FEATURE(18, "avx512bf16")
    default: return NULL;
  }
#undef SNQ_FEATURE
#elif defined(__aarch64__)
// Bits of AT_HWCAP and AT_HWCAP2: <asm/hwcap.h>, whose older versions lack some of the names.
#define SNQ_FEATURE(position, name, word, bit) \
  case position:                               \
    return getauxval(word) >> bit & 1 ? name : "";
  switch (index) {
    SNQ_FEATURE(0, "asimd", AT_HWCAP, 1)
    SNQ_FEATURE(1, "asimdhp", AT_HWCAP, 10)
    SNQ_FEATURE(2, "asimddp", AT_HWCAP, 20)
    SNQ_FEATURE(3, "sve", AT_HWCAP, 22)
    SNQ_FEATURE(4, "sve2", AT_HWCAP2, 1)
    SNQ_FEATURE(5, "i8mm", AT_HWCAP2, 13)
    SNQ_FEATURE(6, "bf16", AT_HWCAP2, 14)
    default: return NULL;
  }
#undef SNQ_FEATURE
#else
  (void)index;
  return NULL;
#endif
}

#endif
