// How the calling thread computes: rounding, traps, denormals. A host may have set any of it.
#ifndef SONIQ_FLOAT_STATE_H
#define SONIQ_FLOAT_STATE_H
#include <stdint.h>

#if defined(__x86_64__)

typedef struct {
  uint32_t mxcsr;  // with the flags of the exceptions that the host has had
  uint32_t x87;    // control word: the C library rounds by it when it reads and writes numbers
} snq_float_state;

// To nearest, all exceptions masked, denormals kept; x87 with 64 bits of significand.
static inline snq_float_state snq_float_state_default(void) { return (snq_float_state){0x1f80, 0x037f}; }

// Each is a barrier for the compiler: what is computed from memory stays on its side.
static inline void snq_float_state_set(snq_float_state state) {
  uint16_t now, wanted = (uint16_t)state.x87;
  __asm__ volatile("ldmxcsr %0" : : "m"(state.mxcsr) : "memory");
  __asm__ volatile("fnstcw %0" : "=m"(now) : : "memory");
  if (now != wanted) __asm__ volatile("fldcw %0" : : "m"(wanted) : "memory");
}

static inline snq_float_state snq_float_state_get(void) {
  uint16_t control;
  uint32_t mxcsr;
  __asm__ volatile("stmxcsr %0" : "=m"(mxcsr) : : "memory");
  __asm__ volatile("fnstcw %0" : "=m"(control) : : "memory");
  return (snq_float_state){mxcsr, control};
}

#elif defined(__aarch64__)

typedef struct {
  uint64_t control;  // FPCR
  uint64_t status;   // FPSR: flags of the exceptions that the host has had
} snq_float_state;

// To nearest, no traps, denormals kept, NaN of operands passed on.
static inline snq_float_state snq_float_state_default(void) { return (snq_float_state){0, 0}; }

static inline snq_float_state snq_float_state_get(void) {
  snq_float_state state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state.control) : : "memory");
  __asm__ volatile("mrs %0, fpsr" : "=r"(state.status) : : "memory");
  return state;
}

// Barriers as above. Writing the registers empties the pipeline on many cores: only where something changes.
static inline void snq_float_state_set(snq_float_state state) {
  snq_float_state now = snq_float_state_get();
  if (now.control != state.control) __asm__ volatile("msr fpcr, %0" : : "r"(state.control) : "memory");
  if (now.status != state.status) __asm__ volatile("msr fpsr, %0" : : "r"(state.status) : "memory");
}

#else
#error "say here what the float state of this architecture is, and how to read and set it"
#endif

// Enters the default state. Returns the one before.
static inline snq_float_state snq_float_state_enter(void) {
  snq_float_state saved = snq_float_state_get();
  snq_float_state_set(snq_float_state_default());
  return saved;
}

#endif
