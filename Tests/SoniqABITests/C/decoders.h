// What tests of decoders share: texts, and the logits that sessions of their own give for them.
#ifndef SONIQ_TEST_DECODERS_H
#define SONIQ_TEST_DECODERS_H

#include "check.h"

enum { LENGTH = 60, VOCABULARY = 40, ROOM = 64, TEXTS = 5 };

static int32_t texts[TEXTS][LENGTH];
// Of each text the logits of each token.
static float expected[TEXTS][LENGTH][VOCABULARY];
static const soniq_model *model;

static inline soniq_sequence *make_sequence(uint64_t capacity) {
  soniq_sequence_options options = SONIQ_SEQUENCE_OPTIONS_INIT;
  soniq_sequence *sequence = NULL;
  options.capacity = capacity;
  OK(soniq_sequence_create(&sequence, model, &options, &error));
  return sequence;
}

static inline soniq_decoder *make_decoder(uint32_t threads, uint32_t isa, uint32_t tokens, uint32_t outputs) {
  soniq_decoder_options options = SONIQ_DECODER_OPTIONS_INIT;
  soniq_decoder *decoder = NULL;
  options.thread_count = threads;
  options.maximum_isa = isa;
  options.maximum_tokens = tokens;
  options.maximum_outputs = outputs;
  OK(soniq_decoder_create(&decoder, model, &options, &error));
  return decoder;
}

static inline uint64_t length_of(soniq_sequence *sequence) {
  uint64_t length = 99;
  OK(soniq_sequence_length(sequence, &length, &error));
  return length;
}

static inline soniq_decoder_item item_of(soniq_sequence *sequence, const int32_t *tokens, size_t count, uint32_t outputs) {
  soniq_decoder_item item = {NULL, NULL, 0, 0, 0};
  item.sequence = sequence;
  item.tokens = tokens;
  item.token_count = count;
  item.outputs = outputs;
  return item;
}

static inline void run_one(soniq_decoder *decoder, soniq_decoder_item item) {
  OK(soniq_decoder_run(decoder, &item, 1, &error));
}

// Whether an item of the last run has the logits of these tokens of a text.
static inline int gives(soniq_decoder *decoder, uint32_t item, int text, size_t first, size_t count) {
  soniq_tensor output = SONIQ_TENSOR_INIT;
  OK(soniq_decoder_output(decoder, item, &output, &error));
  return output.rank == 2 && output.dimensions[0] == (int64_t)count && output.dimensions[1] == VOCABULARY &&
         output.element_type == SONIQ_FLOAT32 && output.byte_count == count * VOCABULARY * sizeof(float) &&
         memcmp(output.data, expected[text][first], output.byte_count) == 0;
}

// What the session that a decoder is made of gives, token by token.
static inline void expect(void) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  int text, position;
  options.thread_count = 1;
  for (text = 0; text < TEXTS; text++) {
    soniq_session *session = NULL;
    OK(soniq_session_create(&session, model, &options, &error));
    for (position = 0; position < LENGTH; position++) {
      int64_t shape[2] = {1, 1};
      soniq_tensor output = SONIQ_TENSOR_INIT;
      texts[text][position] = (position * (7 + 2 * text) + text * text) % VOCABULARY;
      OK(soniq_session_set_input(session, 0, SONIQ_INT32, 2, shape, &texts[text][position], &error));
      OK(soniq_session_run(session, &error));
      OK(soniq_session_output(session, 0, &output, &error));
      if (output.data != NULL) memcpy(expected[text][position], output.data, sizeof expected[text][position]);
    }
    soniq_session_destroy(session);
  }
  CHECK(memcmp(expected[0][9], expected[1][9], sizeof expected[0][9]) != 0);
}

#endif
