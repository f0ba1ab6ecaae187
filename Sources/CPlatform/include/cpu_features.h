// What this CPU and operating system can run beyond the baseline. Each test names every feature that kernel modules are
// compiled with for it.
#ifndef SONIQ_CPU_FEATURES_H
#define SONIQ_CPU_FEATURES_H
#include <stdbool.h>
#include <stdlib.h>
#ifdef __x86_64__
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#ifdef __x86_64__
// The vendor's twelve letters; returns the family with its extension added.
static inline unsigned snq_cpu_identity(unsigned *first, unsigned *second, unsigned *third) {
  unsigned a, b, c, d;
  __cpuid(0, a, *first, *third, *second);
  __cpuid(1, a, b, c, d);
  (void)b, (void)c, (void)d;
  const unsigned base = a >> 8 & 15;
  return base + (base == 15 ? a >> 20 & 255 : 0);
}

static inline bool snq_cpu_has_v3(void) { return __builtin_cpu_supports("x86-64-v3") != 0; }

// AVX-VNNI: vpdpbusd in the encoding of AVX2.
static inline bool snq_cpu_has_avx_vnni(void) { return __builtin_cpu_supports("avxvnni") != 0; }

static inline bool snq_cpu_has_v4(void) { return __builtin_cpu_supports("x86-64-v4") != 0; }

static inline bool snq_cpu_has_avx512_vnni(void) { return __builtin_cpu_supports("avx512vnni") != 0; }

static inline bool snq_cpu_has_avx512_vbmi(void) {
  return __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512bitalg") &&
         __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
         __builtin_cpu_supports("gfni");
}
#elif defined(__aarch64__)
// By what the kernel of the system says in the auxiliary vector, which names what it also saves between threads.
static inline bool snq_cpu_has_neon(void) { return (getauxval(AT_HWCAP) >> 1 & 1) != 0; }

// sdot and udot.
static inline bool snq_cpu_has_dot_product(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; }

// usdot and usmmla.
static inline bool snq_cpu_has_i8mm(void) { return (getauxval(AT_HWCAP2) >> 13 & 1) != 0; }
#endif

// The text of SONIQ_MAX_ISA, or null. Valid until the host changes its environment: copy it at once.
static inline const char *snq_environment_max_isa(void) { return getenv("SONIQ_MAX_ISA"); }
#endif
