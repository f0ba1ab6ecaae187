// Dynamic sizes that fit every model of the tests.
#ifndef SONIQ_TEST_MODEL_SIZES_H
#define SONIQ_TEST_MODEL_SIZES_H

#include <soniq.h>
#include <string.h>

// Whether it is sizes.soniq, where others follow from the width: no other model has an input of this name.
static inline int sizes_follow(const soniq_model *model) {
  uint32_t index = 0;
  return soniq_model_input_index(model, "third", &index, NULL) == SONIQ_OK;
}

// The largest size that the model allows, `most` at most; of sizes.soniq a width of 4 or more and what follows from it.
static inline int64_t model_size(int follows, const char *name, int64_t maximum, int64_t most) {
  const int64_t width = most < 4 ? 4 : most < 12 ? most : 12;
  if (follows && strcmp(name, "width") == 0) return width;
  if (follows && strcmp(name, "floor((width - 1) / 2)") == 0) return (width - 1) / 2;
  if (follows && strcmp(name, "height") == 0) return 2 * ((width - 1) / 2);
  return maximum < most ? maximum : most;
}

#endif
