// Inputs and outputs of every element type: lent to the library, read where they lie, and refused where they do not fit.
// usage: types MODEL, the golden file of element types
#include "check.h"

enum { BATCH = 2, ELEMENTS = BATCH * 2 * 3 };

static uint32_t named(const soniq_model *model, const char *name, int is_output) {
  uint32_t index = 0;
  if (is_output) {
    OK(soniq_model_output_index(model, name, &index, &error));
  } else {
    OK(soniq_model_input_index(model, name, &index, &error));
  }
  return index;
}

// The bits of a whole number in 0...255 as binary16.
static uint16_t half(unsigned number) {
  unsigned exponent = 0;
  if (number == 0) return 0;
  while (number >> (exponent + 1) != 0) exponent++;
  return (uint16_t)((exponent + 15) << 10 | ((number << (10 - exponent)) & 0x3ff));
}

static void describes(const soniq_model *model) {
  static const struct {
    const char *name;
    uint32_t type;
  } inputs[] = {{"float32", SONIQ_FLOAT32},
                {"int32", SONIQ_INT32},
                {"float16", SONIQ_FLOAT16},
                {"int8", SONIQ_INT8},
                {"uint8", SONIQ_UINT8}};
  size_t i;
  for (i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    soniq_tensor_info info = SONIQ_TENSOR_INFO_INIT;
    char name[32];
    OK(soniq_model_input_info(model, named(model, inputs[i].name, 0), &info, &error));
    CHECK(info.element_type == inputs[i].type);
    snprintf(name, sizeof name, "transpose %s", inputs[i].name);
    OK(soniq_model_output_info(model, named(model, name, 1), &info, &error));
    CHECK(info.element_type == inputs[i].type);
  }
}

static const void *output(soniq_session *session, uint32_t index, uint32_t type, size_t element_bytes) {
  soniq_tensor tensor = SONIQ_TENSOR_INIT;
  OK(soniq_session_output(session, index, &tensor, &error));
  CHECK(tensor.element_type == type && tensor.rank == 3);
  CHECK(tensor.byte_count == ELEMENTS * element_bytes);
  CHECK((uintptr_t)tensor.data % 64 == 0);
  return tensor.data;
}

static void runs(const soniq_model *model, soniq_session *session) {
  static const int64_t shape[] = {BATCH, 2, 3};
  static float floats[ELEMENTS];
  static uint16_t halves[ELEMENTS];
  static int8_t bytes[ELEMENTS];
  // At an odd address: elements of one byte need no other.
  static uint8_t memory[ELEMENTS + 1];
  uint8_t *pixels = memory + 1;
  uint32_t input = named(model, "uint8", 0);
  const uint16_t *converted;
  const int8_t *wrapped;
  int i, round;
  for (i = 0; i < ELEMENTS; i++) {
    floats[i] = (float)i;
    halves[i] = half((unsigned)i);
    bytes[i] = (int8_t)-i;
    pixels[i] = (uint8_t)(i * 23);
  }
  OK(soniq_session_set_input(session, named(model, "float32", 0), SONIQ_FLOAT32, 3, shape, floats, &error));
  OK(soniq_session_set_input(session, named(model, "float16", 0), SONIQ_FLOAT16, 3, shape, halves, &error));
  OK(soniq_session_set_input(session, named(model, "int8", 0), SONIQ_INT8, 3, shape, bytes, &error));
  OK(soniq_session_set_input(session, input, SONIQ_UINT8, 3, shape, pixels, &error));
  for (round = 0; round < 2; round++) {
    OK(soniq_session_run(session, &error));
    converted = output(session, named(model, "uint8 to float16", 1), SONIQ_FLOAT16, 2);
    for (i = 0; i < ELEMENTS; i++) CHECK(converted[i] == half(pixels[i]));
    wrapped = output(session, named(model, "uint8 to int8", 1), SONIQ_INT8, 1);
    for (i = 0; i < ELEMENTS; i++) CHECK((uint8_t)wrapped[i] == pixels[i]);
    // It is lent: the next run sees what has changed.
    for (i = 0; i < ELEMENTS; i++) pixels[i] = (uint8_t)(255 - i);
  }
}

static void refuses(const soniq_model *model, soniq_session *session) {
  static const int64_t shape[] = {BATCH, 2, 3};
  static uint64_t memory[ELEMENTS + 1];
  static const uint32_t types[] = {SONIQ_FLOAT32, SONIQ_INT32, SONIQ_INT64, SONIQ_FLOAT16, SONIQ_INT8, SONIQ_UINT8};
  // By input, the types of `types` that it takes.
  static const struct {
    const char *name;
    int accepted[6];
  } inputs[] = {{"float32", {1, 0, 0, 1, 1, 1}},
                {"int32", {0, 1, 1, 0, 1, 1}},
                {"float16", {0, 0, 0, 1, 1, 1}},
                {"int8", {0, 0, 0, 0, 1, 0}},
                {"uint8", {0, 0, 0, 0, 0, 1}}};
  size_t i, t;
  for (i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    uint32_t index = named(model, inputs[i].name, 0);
    for (t = 0; t < sizeof types / sizeof *types; t++) {
      if (inputs[i].accepted[t]) {
        OK(soniq_session_set_input(session, index, types[t], 3, shape, memory, &error));
      } else {
        FAILS(SONIQ_ERROR_ELEMENT_TYPE,
              soniq_session_set_input(session, index, types[t], 3, shape, memory, &error));
      }
    }
  }
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT,
        soniq_session_set_input(session, named(model, "float16", 0), SONIQ_FLOAT16, 3, shape,
                                (const char *)memory + 1, &error));
}

int main(int argc, char **argv) {
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  if (argc != 2) return 2;
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  OK(soniq_session_create(&session, model, NULL, &error));
  if (session != NULL) {
    describes(model);
    runs(model, session);
    refuses(model, session);
  }
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return check_report();
}
