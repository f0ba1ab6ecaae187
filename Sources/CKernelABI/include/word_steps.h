// What is known of the weights of a level in bytes: see `snq_matmul_args.wordSteps`.
#ifndef SONIQ_WORD_STEPS_H
#define SONIQ_WORD_STEPS_H

#include <stdint.h>

// How the products of one panel of bytes add up in 16 bits without saturating, whatever the codes are: entries, those of
// two neighbouring groups of 4 channels that fit together first, then those of groups that fit alone, then those of groups
// that do not. An entry is the group, counted over all segments, and its segment << 24; two groups are of one segment. The
// weights count less 2^(weightBits - 1) where weightBits < 8 and weightConstant is not 0. All counts 0: not worth it.
typedef struct {
  uint32_t doubles;
  uint32_t singles;
  uint32_t wides;
  uint32_t entries[];
} snq_word_steps;

#endif
