// Attention with keys and values as floats: snq_attention_integer, snq_attention_float.
#include <math.h>
#include <string.h>

#include "attention.h"

static float *draw_bias(snq_attention_args *args) {
  const uint32_t axes = below(8), kind = below(6), sequence = args->sequence;
  const size_t plane = axes & 1 ? (size_t)sequence * sequence : sequence;
  const size_t entry = axes & 2 ? args->heads * plane : plane;
  const size_t count = axes & 4 ? args->batch * entry : entry;
  float *bias = reals(count, kind == 0 ? EXTREMES : kind == 1 ? NOT_FINITE : ORDINARY);
  size_t i;
  args->biasRowStride = axes & 1 ? sequence : 0;
  args->biasHeadStride = axes & 2 ? plane : 0;
  args->biasBatchStride = axes & 4 ? entry : 0;
  for (i = 0; i < count; i++) {
    // Numbers that hide keys: some, in two ways, or all.
    if (kind == 2 || kind == 3) bias[i] = one_in(2) ? 0 : -INFINITY;
    if (kind == 3 && one_in(2)) bias[i] = -3.4e38f;
    if (kind == 4) bias[i] = -INFINITY;
  }
  return bias;
}

void run_units(snq_attention_function function, const snq_attention_args *args) {
  const uint32_t units = args->batch * args->heads;
  uint32_t unit;
  if (one_in(2)) {
    function(args, 0, units);
  } else {
    for (unit = units; unit-- > 0;) function(args, unit, unit + 1);
  }
}

void limit_work(snq_attention_args *args) {
  enum { MOST_PRODUCTS = 100000 };
  for (;;) {
    const uint64_t heads = (uint64_t)args->batch * args->heads, keys = args->past + args->sequence;
    if (heads * args->sequence * keys * args->headDim <= MOST_PRODUCTS) return;
    if (args->heads > 1) {
      args->heads--;
      args->queryHeads = args->queryHeads > 1 ? args->heads : args->queryHeads;
    } else if (args->batch > 1) {
      args->batch = 1;
    } else if (args->sequence > 40 && args->headDim > 8) {
      args->headDim = 4 * between(1, 2);
    } else {
      args->sequence = args->sequence * 3 / 4;
    }
  }
}

uint32_t draw_head_length(void) {
  static const uint32_t lengths[] = {4, 8, 16, 32, 64, 128, 252, 256};
  return one_in(2) ? lengths[below(8)] : 4 * between(1, 30);
}

// Sizes and what hides keys.
static snq_attention_args draw_attention(int is_integer) {
  snq_attention_args args = {0};
  args.batch = between(1, 2);
  args.heads = between(1, 4);
  args.headDim = draw_head_length();
  args.sequence = one_in(6) ? between(1, 140) : between(1, 40);
  args.queryHeads = one_in(2) ? args.heads : below(2);
  args.isCausal = below(2);
  if (!is_integer && args.isCausal && one_in(2)) {
    args.past = below(60);
    if (one_in(2)) args.sequence = 1;
  }
  limit_work(&args);
  args.scale = 1 / sqrtf((float)args.headDim);
  if (is_integer) return args;
  if (args.past) args.keyBatchRows = args.past + args.sequence + below(3);
  if (args.isCausal && one_in(3)) args.window = between(1, 30);
  if (one_in(4)) args.softcap = 5;
  args.isHalf = (uint32_t)one_in(3);
  return args;
}

// Queries, keys and values.
static void draw_operands(snq_attention_args *args, enum contents contents) {
  const size_t heads = args->heads, head = args->headDim, shared = args->queryHeads ? args->queryHeads : 1;
  const size_t key_rows = args->keyBatchRows ? args->keyBatchRows : args->sequence;
  const size_t rows = (size_t)args->batch * args->sequence;
  size_t keys;
  args->queryStride = heads * head + below(2);
  args->keyStride = args->valueStride = heads / shared * head + below(3);
  // The last entry ends with its last position.
  keys = ((args->batch - 1) * key_rows + args->past + args->sequence - 1) * args->keyStride + heads / shared * head;
  args->query = reals((rows - 1) * args->queryStride + heads * head, contents);
  if (args->isHalf) {
    args->key = (const float *)(const void *)halves(keys, one_in(5) ? draw_contents() : contents);
    args->value = (const float *)(const void *)halves(keys, one_in(5) ? draw_contents() : contents);
  } else {
    args->key = reals(keys, one_in(5) ? draw_contents() : contents);
    args->value = reals(keys, one_in(5) ? draw_contents() : contents);
  }
  args->outputStride = heads * head + below(2);
}

// No entry, or with the second one all hidden.
static const int32_t *draw_mask(const snq_attention_args *args) {
  int32_t *mask = integers((size_t)args->batch * args->sequence, -1, 1);
  if (args->batch == 2 && one_in(3)) memset(mask + args->sequence, 0, 4 * (size_t)args->sequence);
  return mask;
}

static void check_attention(const kernel *kernel, snq_attention_function portable, int is_integer) {
  const enum contents contents = draw_contents();
  snq_attention_args args = draw_attention(is_integer);
  const int has_mask = !args.keyBatchRows && one_in(3), has_bias = !args.keyBatchRows && one_in(3);
  const uint32_t keys = args.past + args.sequence;
  const size_t scratch = is_integer ? snq_attention_integer_scratch(args.sequence, args.headDim)
                                    : snq_attention_float_scratch(keys, args.headDim);
  float *expected, *actual;
  size_t count;
  draw_operands(&args, contents);
  if (has_mask) args.mask = draw_mask(&args);
  if (has_bias) args.bias = draw_bias(&args);
  count = ((size_t)args.batch * args.sequence - 1) * args.outputStride + (size_t)args.heads * args.headDim;
  expected = room(4 * count, 4);
  actual = room(4 * count, 4);
  describe("batch %u, sequence %u, past %u, %u heads of %u, %u share keys, contents %d, causal %u, window %u, cap %g, "
           "mask %d, bias %d, half %u",
           args.batch, args.sequence, args.past, args.heads, args.headDim, args.queryHeads, contents, args.isCausal,
           args.window, (double)args.softcap, has_mask, has_bias, args.isHalf);
  args.output = expected;
  args.scratch = room(scratch, 64);
  portable(&args, 0, args.batch * args.heads);
  args.output = actual;
  args.scratch = room(scratch, 64);
  if (kernel->function) run_units((snq_attention_function)kernel->function, &args);
  compare_reals("output", expected, actual, count);
}

void check_attention_integer(const kernel *kernel) { check_attention(kernel, snq_attention_integer__portable, 1); }
void check_attention_float(const kernel *kernel) { check_attention(kernel, snq_attention_float__portable, 0); }
