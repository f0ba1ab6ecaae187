// Intrinsics for Swift: functions of <immintrin.h> arrive by import; those that are macros (an immediate
// operand) get one inline wrapper here, each with the target it needs so that the header parses anywhere.
#ifndef SONIQ_CSIMD_H
#define SONIQ_CSIMD_H
#ifdef __x86_64__
#include <immintrin.h>

#define SNQ_INLINE(features) static inline __attribute__((always_inline, nodebug, target(features)))

#include "matmul_intrinsics.h"
#include "row_intrinsics.h"

#elif defined(__aarch64__)
#include <arm_neon.h>

#define SNQ_INLINE(features) static inline __attribute__((always_inline, nodebug, target(features)))

#include "neon_row_intrinsics.h"
#include "neon_matmul_intrinsics.h"

#endif

#endif
