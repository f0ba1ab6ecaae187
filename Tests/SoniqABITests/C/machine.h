// What the tests know of the machine that they run on: everything of one architecture is here.
#ifndef SONIQ_TEST_MACHINE_H
#define SONIQ_TEST_MACHINE_H

#include <soniq.h>
#include <stdlib.h>
#include <string.h>

// An instruction set, and the name that SONIQ_MAX_ISA has for it.
typedef struct {
  uint32_t isa;
  const char *name;
} machine_isa;

#if defined(__x86_64__)
#include <immintrin.h>

// Its instruction sets, from the least on; and one of another architecture.
static const machine_isa machine_isas[] = {
    {SONIQ_ISA_PORTABLE, "portable"},
    {SONIQ_ISA_AVX2, "avx2"},
    {SONIQ_ISA_AVX512, "avx512"},
};
enum { MACHINE_FOREIGN_ISA = SONIQ_ISA_NEON };

// A CPU feature that every machine has.
#define MACHINE_FEATURE "sse4.2"

// The newest instruction set, from the features that the kernels are compiled with.
static inline uint32_t machine_newest_isa(void) {
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return avx2 && avx512 ? SONIQ_ISA_AVX512 : avx2 ? SONIQ_ISA_AVX2 : SONIQ_ISA_PORTABLE;
}

// How a thread computes with floating-point numbers. Without padding: states are compared byte by byte.
typedef struct {
  uint32_t mxcsr;
  uint32_t x87;
} machine_float_state;

static inline machine_float_state machine_get_float_state(void) {
  machine_float_state state;
  unsigned short control;
  state.mxcsr = _mm_getcsr();
  __asm__ volatile("fnstcw %0" : "=m"(control));
  state.x87 = control;
  return state;
}

static inline void machine_set_float_state(machine_float_state state) {
  const unsigned short control = (unsigned short)state.x87;
  _mm_setcsr(state.mxcsr);
  __asm__ volatile("fldcw %0" : : "m"(control));
}

static const machine_float_state machine_ordinary_float_state = {0x1f80, 0x037f};

// Rounding, denormals, flags of exceptions that the host has had, and traps: all that feenableexcept can set.
static const machine_float_state machine_float_states[] = {
    {0x1f80u | _MM_ROUND_UP, 0x0b7f},
    {0x1f80u | _MM_ROUND_DOWN | 0x8040u, 0x077f},
    {0x1f80u | _MM_ROUND_TOWARD_ZERO, 0x0c7f},
    {0x1f80u | 0x3du, 0x007f},
    {_MM_MASK_DENORM | _MM_MASK_UNDERFLOW | _MM_MASK_INEXACT, 0x0372},
    {0, 0x0340},
};

#elif defined(__aarch64__)
#include <sys/auxv.h>

static const machine_isa machine_isas[] = {
    {SONIQ_ISA_PORTABLE, "portable"},
    {SONIQ_ISA_NEON, "neon"},
    {SONIQ_ISA_DOTPROD, "dotprod"},
    {SONIQ_ISA_I8MM, "i8mm"},
};
enum { MACHINE_FOREIGN_ISA = SONIQ_ISA_AVX2 };

#define MACHINE_FEATURE "asimd"

static inline uint32_t machine_newest_isa(void) {
  int dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  int i8mm = (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
  return dotprod && i8mm ? SONIQ_ISA_I8MM : dotprod ? SONIQ_ISA_DOTPROD : SONIQ_ISA_NEON;
}

typedef struct {
  uint64_t fpcr;
  uint64_t fpsr;
} machine_float_state;

static inline machine_float_state machine_get_float_state(void) {
  machine_float_state state;
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(state.fpcr), "=r"(state.fpsr));
  return state;
}

static inline void machine_set_float_state(machine_float_state state) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(state.fpcr), "r"(state.fpsr));
}

static const machine_float_state machine_ordinary_float_state = {0, 0};

enum {
  FPCR_ROUND_UP = 1 << 22,
  FPCR_ROUND_DOWN = 2 << 22,
  FPCR_ROUND_TOWARD_ZERO = 3 << 22,
  FPCR_FLUSH_TO_ZERO = 1 << 24,
  FPCR_DEFAULT_NAN = 1 << 25,
  FPCR_TRAPS = 0x9f00,
  FPSR_FLAGS = 0x9f
};

// As above; with the same NaN for all, too. Most CPUs have no traps, and do not keep their bits.
static const machine_float_state machine_float_states[] = {
    {FPCR_ROUND_UP, 0},
    {FPCR_ROUND_DOWN | FPCR_FLUSH_TO_ZERO, 0},
    {FPCR_ROUND_TOWARD_ZERO, 0},
    {0, FPSR_FLAGS},
    {FPCR_DEFAULT_NAN, 0},
    {FPCR_TRAPS | FPCR_ROUND_DOWN | FPCR_FLUSH_TO_ZERO | FPCR_DEFAULT_NAN, 0},
};

#else
#error "say here what the tests have to know of this architecture"
#endif

enum {
  MACHINE_ISAS = sizeof machine_isas / sizeof *machine_isas,
  MACHINE_FLOAT_STATES = sizeof machine_float_states / sizeof *machine_float_states
};

// Enters one of the states. Returns what the machine keeps of it.
static inline machine_float_state machine_enter_float_state(size_t index) {
  machine_set_float_state(machine_float_states[index]);
  return machine_get_float_state();
}

static inline int machine_same_float_state(machine_float_state one, machine_float_state other) {
  return memcmp(&one, &other, sizeof one) == 0;
}

// Whether this is an emulator: its own memory, threads and limits are those that the system then tells of.
static inline int machine_is_emulated(void) { return getenv("SONIQ_TESTS_EMULATED") != NULL; }

#endif
