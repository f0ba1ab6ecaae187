// Decoders and sequences: what stops a run changes nothing, and every wrong argument is an error.
// usage: decoder_arguments MODEL OTHER ENCODER     (the first two as of decoder.c, and a model that is none)
#include "decoders.h"
#include "struct_sizes.h"

static uint64_t stop_at, last_completed, last_total;
static int32_t watch(void *context, uint64_t completed, uint64_t total) {
  (void)context;
  last_completed = completed;
  last_total = total;
  return completed >= stop_at;
}

static int refuses_jobs;
static uint32_t width(void *context) {
  (void)context;
  return 2;
}
static int32_t parallel_for(void *context, uint32_t count, soniq_task_function task, void *argument) {
  uint32_t i;
  (void)context;
  if (refuses_jobs > 0 && --refuses_jobs == 0) return 1;
  for (i = 0; i < count; i++) task(argument, i);
  return 0;
}

// Whatever stops a run, wherever: all sequences are as before.
static void failures_change_nothing(void) {
  soniq_decoder_options options = SONIQ_DECODER_OPTIONS_INIT;
  soniq_thread_pool pool = SONIQ_THREAD_POOL_INIT;
  soniq_decoder *decoder = NULL;
  soniq_sequence *first = make_sequence(0), *second = make_sequence(20);
  soniq_tensor output = SONIQ_TENSOR_INIT;
  int32_t bad[20];
  soniq_decoder_item items[2];
  int place;
  pool.width = width;
  pool.parallel_for = parallel_for;
  options.thread_pool = &pool;
  options.maximum_tokens = 4;
  options.maximum_outputs = 30;
  options.progress = watch;
  OK(soniq_decoder_create(&decoder, model, &options, &error));
  stop_at = UINT64_MAX;
  run_one(decoder, item_of(first, texts[0], 10, SONIQ_OUTPUTS_NONE));
  CHECK(last_completed == 10 && last_total == 10);
  run_one(decoder, item_of(second, texts[1], 2, SONIQ_OUTPUTS_NONE));
  items[0] = item_of(first, texts[0] + 10, 9, SONIQ_OUTPUTS_LAST);
  items[1] = item_of(second, texts[1] + 2, 18, SONIQ_OUTPUTS_ALL);
  for (stop_at = 0; stop_at <= 27; stop_at += 3) {
    FAILS(SONIQ_ERROR_CANCELLED, soniq_decoder_run(decoder, items, 2, &error));
    CHECK(length_of(first) == 10 && length_of(second) == 2 && last_total == 27);
    FAILS(SONIQ_ERROR_STATE, soniq_decoder_output(decoder, 0, &output, &error));
  }
  stop_at = UINT64_MAX;
  for (place = 1; place < 30; place += 4) {
    refuses_jobs = place;
    FAILS(SONIQ_ERROR_CANCELLED, soniq_decoder_run(decoder, items, 2, &error));
    CHECK(length_of(first) == 10 && length_of(second) == 2);
  }
  memcpy(bad, texts[1] + 2, sizeof bad);
  for (place = 0; place < 18; place += 17) {
    const int32_t wrong[2] = {VOCABULARY, -1};
    memcpy(bad, texts[1] + 2, sizeof bad);
    bad[place] = wrong[place % 2];
    items[1].tokens = bad;
    FAILS(SONIQ_ERROR_DATA, soniq_decoder_run(decoder, items, 2, &error));
    CHECK(length_of(first) == 10 && length_of(second) == 2);
  }
  items[1] = item_of(second, texts[1] + 2, 19, SONIQ_OUTPUTS_ALL);
  FAILS(SONIQ_ERROR_CAPACITY, soniq_decoder_run(decoder, items, 2, &error));
  items[1] = item_of(first, texts[1] + 2, 1, SONIQ_OUTPUTS_ALL);
  FAILS(SONIQ_ERROR_STATE, soniq_decoder_run(decoder, items, 2, &error));
  items[1] = item_of(second, texts[1] + 2, 18, SONIQ_OUTPUTS_ALL);
  OK(soniq_decoder_run(decoder, items, 2, &error));
  CHECK(gives(decoder, 0, 0, 18, 1) && gives(decoder, 1, 1, 2, 18));
  CHECK(length_of(first) == 19 && length_of(second) == 20);
  soniq_sequence_destroy(first);
  soniq_sequence_destroy(second);
  soniq_decoder_destroy(decoder);
}

static void refuses_items(const soniq_model *other) {
  soniq_decoder *decoder = make_decoder(1, 0, 0, 3);
  soniq_decoder_options options = SONIQ_DECODER_OPTIONS_INIT;
  soniq_decoder *narrow = NULL;
  soniq_sequence *sequence = make_sequence(0), *foreign = NULL;
  soniq_decoder_item item = item_of(sequence, texts[0], 4, SONIQ_OUTPUTS_LAST), changed;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  OK(soniq_sequence_create(&foreign, other, NULL, &error));
  FAILS(SONIQ_ERROR_STATE, soniq_decoder_output(decoder, 0, &output, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_run(NULL, &item, 1, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_run(decoder, NULL, 1, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_run(decoder, &item, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_run(decoder, &item, 1025, &error));
#define REJECT_ITEM(status, field, value)                             \
  do {                                                                \
    changed = item;                                                   \
    changed.field = value;                                            \
    FAILS(status, soniq_decoder_run(decoder, &changed, 1, &error));   \
    CHECK(length_of(sequence) == 0);                                  \
  } while (0)
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, sequence, NULL);
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, sequence, foreign);
  REJECT_ITEM(SONIQ_ERROR_INVALID_HANDLE, sequence, (soniq_sequence *)decoder);
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, tokens, NULL);
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, tokens, (const int32_t *)((const char *)texts[0] + 1));
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, token_count, 0);
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, token_count, SIZE_MAX);
  REJECT_ITEM(SONIQ_ERROR_CAPACITY, token_count, SIZE_MAX / 2);
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, outputs, 3);
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, outputs, SONIQ_OUTPUTS_ALL);
  REJECT_ITEM(SONIQ_ERROR_INVALID_ARGUMENT, reserved, 1);
  options.capacity = 20;
  OK(soniq_decoder_create(&narrow, model, &options, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_run(narrow, &item, 1, &error));
  OK(soniq_decoder_run(decoder, &item, 1, &error));
  CHECK(gives(decoder, 0, 0, 3, 1));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_output(decoder, 0, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_output(NULL, 0, &output, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_copy(sequence, foreign, 0, &error));
  soniq_sequence_destroy(foreign);
  soniq_sequence_destroy(sequence);
  soniq_decoder_destroy(narrow);
  soniq_decoder_destroy(decoder);
}

static void refuses_options(const char *encoder) {
  soniq_decoder *decoder = (soniq_decoder *)&decoder;
  soniq_sequence *sequence = (soniq_sequence *)&sequence;
  soniq_sequence_options small = SONIQ_SEQUENCE_OPTIONS_INIT;
  soniq_model *none = NULL;
  uint64_t length = 9;
  size_t size = 9;
  OK(soniq_model_open(&none, encoder, NULL, &error));
  FAILS(SONIQ_ERROR_UNSUPPORTED, soniq_decoder_create(&decoder, none, NULL, &error));
  FAILS(SONIQ_ERROR_UNSUPPORTED, soniq_sequence_create(&sequence, none, NULL, &error));
  FAILS(SONIQ_ERROR_UNSUPPORTED, soniq_sequence_size(none, NULL, &size, &error));
  CHECK(decoder == NULL && sequence == NULL && size == 0);
  soniq_model_destroy(none);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_create(NULL, model, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_create(&decoder, NULL, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_create(NULL, model, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_create(&sequence, NULL, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_size(model, NULL, NULL, &error));
  SWEEP_STRUCT_SIZE(soniq_decoder_options, SONIQ_DECODER_OPTIONS_INIT,
                    soniq_decoder_create(&decoder, model, &room.options, &error));
  SWEEP_STRUCT_SIZE(soniq_sequence_options, SONIQ_SEQUENCE_OPTIONS_INIT,
                    soniq_sequence_create(&sequence, model, &room.options, &error));
#define REJECT(field, value)                                                                   \
  do {                                                                                         \
    soniq_decoder_options options = SONIQ_DECODER_OPTIONS_INIT;                                \
    options.field = value;                                                                     \
    FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_decoder_create(&decoder, model, &options, &error)); \
  } while (0)
  REJECT(thread_count, 1u << 30);
  REJECT(maximum_isa, 15);
  REJECT(maximum_tokens, ROOM + 1);
  REJECT(maximum_outputs, 65537);
  REJECT(capacity, ROOM + 1);
  REJECT(capacity, UINT64_MAX);
  REJECT(reserved, 1);
  small.capacity = ROOM + 1;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_create(&sequence, model, &small, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_size(model, &small, &size, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_length(NULL, &length, &error));
  CHECK(length == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_truncate(NULL, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_save(NULL, NULL, 0, &size, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_load(NULL, "", 0, &error));
  small.capacity = 9;
  OK(soniq_sequence_create(&sequence, model, &small, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_length(sequence, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_copy(sequence, NULL, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_save(sequence, NULL, 1, &size, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_save(sequence, NULL, 0, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_load(sequence, NULL, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_load(sequence, "", SIZE_MAX, &error));
  FAILS(SONIQ_ERROR_DATA, soniq_sequence_load(sequence, "", 0, &error));
  soniq_sequence_destroy(sequence);
  soniq_sequence_destroy(NULL);
  soniq_decoder_destroy(NULL);
}

int main(int argc, char **argv) {
  soniq_model *opened = NULL, *other = NULL;
  if (argc != 4) return 2;
  OK(soniq_model_open(&opened, argv[1], NULL, &error));
  OK(soniq_model_open(&other, argv[2], NULL, &error));
  model = opened;
  expect();
  failures_change_nothing();
  refuses_items(other);
  refuses_options(argv[3]);
  soniq_model_destroy(other);
  soniq_model_destroy(opened);
  return check_report();
}
