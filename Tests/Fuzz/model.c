// Opens arbitrary bytes as a model, and runs what opens. Built and run by `make fuzz`.
//
// An honest fuzzer never gets past a checksum. So inputs are tried twice: as they are, and with every checksum
// made right, which lets changes of tables and numbers reach the checks behind. The hash here is written from
// the specification of XXH64 alone, and the layout from docs/format.md.
#include <soniq.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t PRIME1 = 0x9E3779B185EBCA87u, PRIME2 = 0xC2B2AE3D27D4EB4Fu, PRIME3 = 0x165667B19E3779F9u,
                      PRIME4 = 0x85EBCA77C2B2AE63u, PRIME5 = 0x27D4EB2F165667C5u;

static uint64_t rotate(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static uint64_t load(const uint8_t *bytes, int count) {
  uint64_t value = 0;
  for (int index = count - 1; index >= 0; index--) value = value << 8 | bytes[index];
  return value;
}

static void store64(uint8_t *bytes, uint64_t value) {
  for (int index = 0; index < 8; index++) bytes[index] = (uint8_t)(value >> (8 * index));
}

static uint64_t mix(uint64_t lane, uint64_t input) { return rotate(lane + input * PRIME2, 31) * PRIME1; }

static uint64_t xxh64(const uint8_t *bytes, size_t count) {
  const uint8_t *end = bytes + count;
  uint64_t hash = PRIME5;
  if (count >= 32) {
    uint64_t lanes[4] = {PRIME1 + PRIME2, PRIME2, 0, 0 - PRIME1};
    for (; end - bytes >= 32; bytes += 32)
      for (int lane = 0; lane < 4; lane++) lanes[lane] = mix(lanes[lane], load(bytes + 8 * lane, 8));
    hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (int lane = 0; lane < 4; lane++) hash = (hash ^ mix(0, lanes[lane])) * PRIME1 + PRIME4;
  }
  hash += count;
  for (; end - bytes >= 8; bytes += 8) hash = rotate(hash ^ mix(0, load(bytes, 8)), 27) * PRIME1 + PRIME4;
  if (end - bytes >= 4) {
    hash = rotate(hash ^ load(bytes, 4) * PRIME1, 23) * PRIME2 + PRIME3;
    bytes += 4;
  }
  for (; bytes < end; bytes++) hash = rotate(hash ^ *bytes * PRIME5, 11) * PRIME1;
  hash = (hash ^ hash >> 33) * PRIME2;
  hash = (hash ^ hash >> 29) * PRIME3;
  return hash ^ hash >> 32;
}

// Makes the checksums of all sections that lie in the file, of the directory and of the header right.
static void seal(uint8_t *file, size_t size) {
  if (size < 64) return;
  uint64_t sections = load(file + 24, 4);
  if (sections > (size - 64) / 32) sections = (size - 64) / 32;
  for (uint64_t index = 0; index < sections; index++) {
    uint8_t *entry = file + 64 + 32 * index;
    uint64_t offset = load(entry + 8, 8), length = load(entry + 16, 8);
    if (offset <= size && length <= size - offset) store64(entry + 24, xxh64(file + offset, length));
  }
  store64(file + 16, size);
  store64(file + 48, xxh64(file + 64, 32 * sections));
  store64(file + 56, xxh64(file, 56));
}

// The fuzzer's memory: a model that asks for more is not run.
enum { MOST_BYTES = 8 << 20 };
static _Alignas(64) uint8_t numbers[MOST_BYTES];

// Gives every input a shape whose dynamic sizes are `size`, and numbers of the file's own bytes; 0 when one is too large.
static int set_inputs(soniq_session *session, const soniq_model *model, int64_t size) {
  uint32_t count = 0;
  if (soniq_model_input_count(model, &count, NULL) != SONIQ_OK) return 0;
  for (uint32_t index = 0; index < count; index++) {
    soniq_tensor_info info = {.struct_size = sizeof info};
    if (soniq_model_input_info(model, index, &info, NULL) != SONIQ_OK) return 0;
    uint64_t bytes = 4;
    for (uint32_t axis = 0; axis < info.rank; axis++) {
      if (info.dimensions[axis] < 0) info.dimensions[axis] = size;
      bytes *= (uint64_t)info.dimensions[axis];
      if (bytes > MOST_BYTES) return 0;
    }
    if (soniq_session_set_input(session, index, info.element_type, info.rank, info.dimensions, numbers, NULL) !=
        SONIQ_OK)
      return 0;
  }
  return 1;
}

// Every graph that opens can be run: with an error perhaps (an id out of range), never with a trap.
static void run_model(const soniq_model *model, const uint8_t *bytes, size_t size) {
  soniq_size_limit limits[4] = {{"batch", 1}, {"sequence", 2}, {"b", 1}, {"s", 1}};
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  options.thread_count = 1;
  options.size_limits = limits;
  for (options.size_limit_count = 2;; options.size_limit_count = 0) {
    uint64_t needed = 0;
    if (soniq_session_workspace_size(model, &options, &needed, NULL) == SONIQ_OK) {
      if (needed > MOST_BYTES) return;
      break;
    }
    if (options.size_limit_count == 0) return;
  }
  soniq_session *session = NULL;
  if (soniq_session_create(&session, model, &options, NULL) != SONIQ_OK) return;
  for (size_t index = 0; index < sizeof numbers && index < (1 << 16); index++)
    numbers[index] = size ? bytes[index % size] : 0;
  // The smallest, then larger ones: images, whose windows do not fit everywhere.
  for (int64_t length = 1; length <= 7; length += 3) {
    if (!set_inputs(session, model, length) || soniq_session_run(session, NULL) != SONIQ_OK) continue;
    soniq_tensor output = SONIQ_TENSOR_INIT;
    if (soniq_session_output(session, 0, &output, NULL) != SONIQ_OK) abort();
  }
  soniq_session_destroy(session);
}

// A file may have a tokenizer, which takes any text.
static void use_tokenizer(const soniq_model *model, const uint8_t *bytes, size_t size) {
  static int32_t tokens[1 << 12];
  static char text[1 << 12];
  soniq_tokenizer *tokenizer = NULL;
  if (soniq_tokenizer_create(&tokenizer, model, NULL) != SONIQ_OK) return;
  size_t count = 0, length = 0;
  if (size > sizeof text) size = sizeof text;
  if (soniq_tokenizer_encode(tokenizer, (const char *)bytes, size, 3, tokens, sizeof tokens / sizeof *tokens, &count,
                             NULL) != SONIQ_OK)
    abort();
  if (count > sizeof tokens / sizeof *tokens) count = sizeof tokens / sizeof *tokens;
  if (soniq_tokenizer_decode(tokenizer, tokens, count, 0, text, sizeof text, &length, NULL) != SONIQ_OK) abort();
  soniq_tokenizer_destroy(tokenizer);
}

static void open_model(const uint8_t *bytes, size_t size) {
  soniq_model *model = NULL;
  soniq_error *error = NULL;
  if (soniq_model_open_memory(&model, bytes, size, NULL, &error) == SONIQ_OK) {
    soniq_status status = soniq_model_verify(model, NULL, NULL, &error);
    if (status != SONIQ_OK) soniq_error_destroy(error);
    run_model(model, bytes, size);
    use_tokenizer(model, bytes, size);
    soniq_model_destroy(model);
    return;
  }
  // A refusal is never without a reason, and blames a byte of the file.
  if (error == NULL || soniq_error_offset(error) > (int64_t)size) abort();
  soniq_error_destroy(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *copy = aligned_alloc(64, (size + 64) / 64 * 64);
  if (copy == NULL) return 0;
  memcpy(copy, data, size);
  open_model(copy, size);
  seal(copy, size);
  open_model(copy, size);
  free(copy);
  return 0;
}
