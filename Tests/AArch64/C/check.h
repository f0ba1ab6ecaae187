// What the tests of kernels share: numbers drawn at random, memory with guards, and comparing results.
#ifndef SONIQ_TEST_CHECK_H
#define SONIQ_TEST_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

// --- Cases. Each draws from a generator of its own, so that any can be run alone. ---

void begin_kernel(const kernel *kernel, uint64_t seed);
void begin_case(uint32_t number);
// What the case is, printed where it fails.
void describe(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Says what is wrong with a case: the first cases of a kernel that fail are printed.
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Checks that nothing was written outside the memory that was given out, and takes it back.
void end_case(void);
// How many cases of this kernel failed.
long failed_cases(void);
// Of all that the portable kernel gave for this kernel's cases, each NaN counted as the same.
uint64_t hash_of_results(void);

// --- Numbers ---

uint32_t below(uint32_t count);
uint32_t between(uint32_t least, uint32_t most);
int one_in(uint32_t count);
// For choices that all have to meet: case by case, the first that a case asks for changes fastest.
uint32_t in_turn(uint32_t choices);
// A number of channels: mostly 1 to 70, now and then one that fills whole blocks.
uint32_t draw_length(void);
uint32_t rounded_up(uint32_t number, uint32_t multiple);

enum contents { ORDINARY, TINY, LARGE, EXTREMES, NOT_FINITE, ALL_NAN, ZEROS, ANY_BITS, CONTENTS };
// Mostly ordinary.
enum contents draw_contents(void);
float draw_real(enum contents contents);
// binary16
uint16_t draw_half(enum contents contents);

// --- Memory: what lies behind the last byte, or in some cases before the first, cannot be touched. ---

enum { NOISE = 0xa5 };
void *room(size_t bytes, size_t alignment);  // filled with NOISE
void *zeros(size_t bytes, size_t alignment);
void *copy_of(const void *bytes, size_t count);  // of 4-byte numbers
float *reals(size_t count, enum contents contents);
uint16_t *halves(size_t count, enum contents contents);
int32_t *integers(size_t count, int32_t least, int32_t most);
uint8_t *codes_of_bits(size_t count, uint32_t bits);
// A permutation: any, one that moves every fifth number to the end, one that rotates, or null.
uint32_t *draw_order(uint32_t count);

// --- Results: those of the portable kernel, and those of the kernel that is tested ---

void compare_reals(const char *what, const float *expected, const float *actual, size_t count);
void compare_bytes(const char *what, const void *expected, const void *actual, size_t count);

// Calls a kernel for rows 0..<count, in two parts as threads may share them.
#define RUN_IN_PARTS(type, kernel, args, count)               \
  do {                                                        \
    const uint32_t part_ = between(1, count);                 \
    const type function_ = (type)(kernel)->function;          \
    if (function_) function_(args, 0, part_);                 \
    if (function_ && part_ < (count)) function_(args, part_, count); \
  } while (0)

#endif
