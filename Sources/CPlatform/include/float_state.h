// How the calling thread computes: rounding, traps, denormals. A host may have set any of it.
#ifndef SONIQ_FLOAT_STATE_H
#define SONIQ_FLOAT_STATE_H
#include <stdint.h>

#ifndef __x86_64__
#error "say here what the float state of this architecture is, and how to read and set it"
#endif

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

// Enters the default state. Returns the one before.
static inline snq_float_state snq_float_state_enter(void) {
  snq_float_state saved = snq_float_state_get();
  snq_float_state_set(snq_float_state_default());
  return saved;
}

#endif
