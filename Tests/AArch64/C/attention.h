// What the tests of attention share.
#ifndef SONIQ_TEST_ATTENTION_H
#define SONIQ_TEST_ATTENTION_H

#include "check.h"

// A multiple of 4, at most 256.
uint32_t draw_head_length(void);
// Makes heads, entries and sequence fewer until an emulator computes the case in a few milliseconds.
void limit_work(snq_attention_args *args);
// Calls a kernel for all units, together or each alone.
void run_units(snq_attention_function function, const snq_attention_args *args);

#endif
