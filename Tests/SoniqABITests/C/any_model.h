// Runs a model of any kind on small inputs: for tests that care for what surrounds a run.
#ifndef SONIQ_TEST_ANY_MODEL_H
#define SONIQ_TEST_ANY_MODEL_H

#include "check.h"
#include "model_sizes.h"

enum { ANY_INPUTS = 8, ANY_ELEMENTS = 1 << 16, ANY_OUTPUT_BYTES = 1 << 20 };

// Contents of the inputs, filled once: numbers of both signs, and ids that every model of the tests knows.
static float any_floats[ANY_ELEMENTS];
static int32_t any_ids[ANY_ELEMENTS];

static inline void any_fill(void) {
  int i;
  for (i = 0; i < ANY_ELEMENTS; i++) {
    any_floats[i] = (float)((i * 37) % 101 - 50) / 32;
    any_ids[i] = i % 3;
  }
}

// Sets every input. Dynamic sizes are what the model allows, `most` at most.
static inline soniq_status any_set_inputs(const soniq_model *model, soniq_session *session, int64_t most) {
  uint32_t count = 0, i, d;
  const int follows = sizes_follow(model);
  soniq_status status = soniq_model_input_count(model, &count, NULL);
  // What is run before says nothing of the run to come.
  if (status == SONIQ_OK) status = soniq_session_reset(session, NULL);
  for (i = 0; status == SONIQ_OK && i < count; i++) {
    soniq_tensor_info info = SONIQ_TENSOR_INFO_INIT;
    int64_t shape[SONIQ_MAXIMUM_RANK];
    status = soniq_model_input_info(model, i, &info, NULL);
    for (d = 0; d < info.rank; d++) {
      const int64_t maximum = info.maximum_dimensions[d];
      shape[d] = info.dimensions[d] >= 0 ? info.dimensions[d]
                                         : model_size(follows, info.dimension_names[d], maximum, most);
    }
    if (status != SONIQ_OK || info.is_optional) continue;
    status = soniq_session_set_input(session, i, info.element_type, info.rank, shape,
                                     info.element_type == SONIQ_INT32 ? (void *)any_ids : (void *)any_floats, NULL);
  }
  return status;
}

// The bytes of all outputs, one behind the other; 0 when there is none or they do not fit.
static inline size_t any_outputs(const soniq_model *model, soniq_session *session, unsigned char *bytes) {
  uint32_t count = 0, i;
  size_t used = 0;
  if (soniq_model_output_count(model, &count, NULL) != SONIQ_OK) return 0;
  for (i = 0; i < count; i++) {
    soniq_tensor output = SONIQ_TENSOR_INIT;
    if (soniq_session_output(session, i, &output, NULL) != SONIQ_OK) return 0;
    if (output.byte_count > ANY_OUTPUT_BYTES - used) return 0;
    memcpy(bytes + used, output.data, output.byte_count);
    used += output.byte_count;
  }
  return used;
}

#endif
