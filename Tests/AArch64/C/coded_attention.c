// Attention with keys and values as codes: snq_append_codes, snq_attention_codes.
#include <math.h>
#include <string.h>

#include "attention.h"

// The codes of the keys, or the values, of all entries.
typedef struct {
  snq_append_codes_args args;
  uint32_t batch;
  size_t code_bytes, steps;
} cache;

static cache draw_cache(uint32_t batch, uint32_t heads, uint32_t head_length, uint32_t capacity, int is_key,
                        uint32_t bits) {
  const size_t planes = (size_t)batch * heads;
  // Of 4 bits 16 bytes for every 32 channels, of values.
  const size_t value_bytes = bits == 4 ? rounded_up(head_length, 32) / 2 : head_length;
  cache drawn;
  memset(&drawn, 0, sizeof drawn);
  drawn.batch = batch;
  drawn.args.heads = heads;
  drawn.args.headDim = head_length;
  drawn.args.capacity = capacity;
  drawn.args.isKey = (uint32_t)is_key;
  drawn.args.bits = bits;
  drawn.args.inputStride = (size_t)heads * head_length + below(3);
  drawn.steps = planes * capacity;
  drawn.code_bytes = drawn.steps * (is_key ? (size_t)head_length * bits / 8 : value_bytes);
  return drawn;
}

// Memory of its own.
static void empty(cache *target) {
  const size_t readable_behind = !target->args.isKey && target->args.bits == 8 ? 15 : 0;
  size_t i;
  target->args.codes = room(target->code_bytes + readable_behind, 1);
  target->args.steps = room(4 * target->steps, 4);
  target->args.scratch = room(4 * (size_t)target->args.headDim, 4);
  for (i = 0; i < target->steps; i++) target->args.steps[i] = 1;
}

// Rows for so many positions of every entry.
static void draw_positions(cache *target, uint32_t past, uint32_t sequence, enum contents contents) {
  const size_t rows = (size_t)target->batch * sequence;
  const size_t row_numbers = (size_t)target->args.heads * target->args.headDim;
  target->args.past = past;
  target->args.sequence = sequence;
  target->args.input = reals((rows - 1) * target->args.inputStride + row_numbers, contents);
}

static uint32_t draw_head_length_of(uint32_t bits) {
  const uint32_t length = draw_head_length();
  return bits == 6 ? rounded_up(length, 8) : length;
}

void check_append_codes(const kernel *kernel) {
  static const uint32_t key_bits[] = {8, 4, 6}, value_bits[] = {8, 4};
  const int is_key = in_turn(2) == 0;
  const uint32_t bits = is_key ? key_bits[in_turn(3)] : value_bits[in_turn(2)], head_length = draw_head_length_of(bits);
  const uint32_t batch = between(1, 2), heads = between(1, 4);
  const uint32_t past = one_in(2) ? 0 : below(40), sequence = one_in(2) ? 1 : between(1, 40);
  const enum contents contents = draw_contents();
  const uint32_t capacity = rounded_up(past + sequence, 16);
  cache expected = draw_cache(batch, heads, head_length, capacity, is_key, bits), actual;
  draw_positions(&expected, past, sequence, contents);
  actual = expected;
  empty(&expected);
  empty(&actual);
  describe("%s of %u bits, batch %u, positions %u to %u, %u heads of %u, contents %d", is_key ? "keys" : "values", bits,
           batch, past, past + sequence, heads, head_length, contents);
  snq_append_codes__portable(&expected.args, 0, batch * sequence);
  RUN_IN_PARTS(snq_append_codes_function, kernel, &actual.args, batch * sequence);
  compare_bytes("codes", expected.args.codes, actual.args.codes, expected.code_bytes);
  compare_reals("steps", expected.args.steps, actual.args.steps, expected.steps);
}

// Portable codes of all positions.
static cache filled_cache(const snq_attention_args *args, int is_key, uint32_t bits, enum contents contents) {
  const uint32_t heads = args->heads / (args->queryHeads ? args->queryHeads : 1), keys = args->past + args->sequence;
  cache filled = draw_cache(args->batch, heads, args->headDim, (uint32_t)args->keyBatchRows, is_key, bits);
  draw_positions(&filled, 0, keys, contents);
  empty(&filled);
  snq_append_codes__portable(&filled.args, 0, args->batch * keys);
  return filled;
}

void check_attention_codes(const kernel *kernel) {
  static const uint32_t key_bits[] = {8, 4, 6}, value_bits[] = {8, 4};
  snq_attention_args args = {0};
  const enum contents contents = draw_contents();
  float *expected, *actual;
  cache keys, values;
  size_t count, scratch;
  args.keyBits = key_bits[in_turn(3)];
  args.valueBits = value_bits[in_turn(2)];
  args.batch = between(1, 2);
  args.heads = between(1, 8);
  args.headDim = draw_head_length_of(args.keyBits);
  args.queryHeads = one_in(2) ? args.heads : below(2);
  args.sequence = one_in(2) ? 1 : between(1, 40);
  args.past = below(70);
  limit_work(&args);
  args.keyBatchRows = rounded_up(args.past + args.sequence, 16) + 16 * below(2);
  args.window = one_in(3) ? between(1, 30) : 0;
  args.softcap = one_in(4) ? 5 : 0;
  args.isCausal = 1;
  args.scale = 1 / sqrtf((float)args.headDim);
  keys = filled_cache(&args, 1, args.keyBits, contents);
  values = filled_cache(&args, 0, args.valueBits, contents);
  args.key = (const float *)(const void *)keys.args.codes;
  args.value = (const float *)(const void *)values.args.codes;
  args.keySteps = keys.args.steps;
  args.valueSteps = values.args.steps;
  args.queryStride = args.outputStride = (size_t)args.heads * args.headDim + below(2);
  count = ((size_t)args.batch * args.sequence - 1) * args.queryStride + (size_t)args.heads * args.headDim;
  args.query = reals(count, draw_contents());
  expected = room(4 * count, 4);
  actual = room(4 * count, 4);
  describe("keys of %u bits, values of %u, batch %u, sequence %u, past %u, %u heads of %u, %u share keys, contents %d, "
           "window %u, cap %g",
           args.keyBits, args.valueBits, args.batch, args.sequence, args.past, args.heads, args.headDim,
           args.queryHeads, contents, args.window, (double)args.softcap);
  scratch = snq_attention_codes_scratch(args.past + args.sequence, args.headDim);
  args.output = expected;
  args.scratch = room(scratch, 64);
  snq_attention_codes__portable(&args, 0, args.batch * args.heads);
  args.output = actual;
  args.scratch = room(scratch, 64);
  if (kernel->function) run_units((snq_attention_function)kernel->function, &args);
  compare_reals("output", expected, actual, count);
}
