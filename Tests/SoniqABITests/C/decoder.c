// Decoders and sequences: the same logits however texts are run, forked and saved.
// usage: decoder MODEL OTHER     (decoders with room for 64 positions of 40 tokens)
#include "decoders.h"
#include "host_memory.h"

enum { SAVED_BYTES = 1 << 16 };

// A text in runs of `size` tokens, of which the library takes `tokens` at a time.
static void in_pieces(uint32_t threads, uint32_t isa, size_t size, uint32_t tokens) {
  soniq_decoder *decoder = make_decoder(threads, isa, tokens, LENGTH);
  soniq_sequence *sequence = make_sequence(0);
  size_t first;
  for (first = 0; first < LENGTH; first += size) {
    size_t count = first + size < LENGTH ? size : LENGTH - first;
    run_one(decoder, item_of(sequence, texts[0] + first, count, SONIQ_OUTPUTS_ALL));
    CHECK(gives(decoder, 0, 0, first, count));
    CHECK(length_of(sequence) == first + count);
  }
  OK(soniq_sequence_truncate(sequence, 0, &error));
  run_one(decoder, item_of(sequence, texts[0], LENGTH, SONIQ_OUTPUTS_LAST));
  CHECK(gives(decoder, 0, 0, LENGTH - 1, 1));
  soniq_sequence_destroy(sequence);
  soniq_decoder_destroy(decoder);
}

// Texts of several lengths in one run, whose sequences have other capacities.
static void side_by_side(uint32_t threads, uint32_t isa) {
  soniq_decoder *decoder = make_decoder(threads, isa, 0, LENGTH);
  soniq_sequence *sequences[TEXTS];
  soniq_decoder_item items[TEXTS];
  soniq_tensor output = SONIQ_TENSOR_INIT;
  int text, turn;
  for (text = 0; text < TEXTS; text++) {
    sequences[text] = make_sequence((uint64_t)(ROOM - text));
    items[text] = item_of(sequences[text], texts[text], (size_t)(3 + 5 * text), SONIQ_OUTPUTS_LAST);
  }
  items[1].outputs = SONIQ_OUTPUTS_ALL;
  items[3].outputs = SONIQ_OUTPUTS_NONE;
  OK(soniq_decoder_run(decoder, items, TEXTS, &error));
  for (text = 0; text < TEXTS; text++) {
    if (text == 1) CHECK(gives(decoder, 1, 1, 0, 8));
    if (text != 1 && text != 3) CHECK(gives(decoder, (uint32_t)text, text, (size_t)(2 + 5 * text), 1));
  }
  FAILS(SONIQ_ERROR_STATE, soniq_decoder_output(decoder, 3, &output, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_decoder_output(decoder, TEXTS, &output, &error));
  for (turn = 0; turn < 20; turn++) {
    for (text = 0; text < TEXTS; text++) {
      // The other way round.
      size_t place = (size_t)(3 + 5 * text + turn);
      items[TEXTS - 1 - text] = item_of(sequences[text], texts[text] + place, 1, SONIQ_OUTPUTS_LAST);
    }
    OK(soniq_decoder_run(decoder, items, TEXTS, &error));
    for (text = 0; text < TEXTS; text++)
      CHECK(gives(decoder, (uint32_t)(TEXTS - 1 - text), text, (size_t)(3 + 5 * text + turn), 1));
  }
  for (text = 0; text < TEXTS; text++) soniq_sequence_destroy(sequences[text]);
  soniq_decoder_destroy(decoder);
}

static void forks(void) {
  soniq_decoder *decoder = make_decoder(1, 0, 0, LENGTH);
  soniq_sequence *sequence = make_sequence(0), *fork = make_sequence(50), *small = make_sequence(8);
  run_one(decoder, item_of(sequence, texts[2], 40, SONIQ_OUTPUTS_NONE));
  OK(soniq_sequence_copy(fork, sequence, 30, &error));
  CHECK(length_of(fork) == 30 && length_of(sequence) == 40);
  run_one(decoder, item_of(sequence, texts[2] + 40, 5, SONIQ_OUTPUTS_ALL));
  CHECK(gives(decoder, 0, 2, 40, 5));
  run_one(decoder, item_of(fork, texts[2] + 30, 15, SONIQ_OUTPUTS_ALL));
  CHECK(gives(decoder, 0, 2, 30, 15));
  // Another end, and back.
  OK(soniq_sequence_truncate(sequence, 20, &error));
  run_one(decoder, item_of(sequence, texts[3], 9, SONIQ_OUTPUTS_NONE));
  OK(soniq_sequence_truncate(sequence, 20, &error));
  run_one(decoder, item_of(sequence, texts[2] + 20, 2, SONIQ_OUTPUTS_ALL));
  CHECK(gives(decoder, 0, 2, 20, 2));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_truncate(sequence, 23, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_copy(fork, sequence, 23, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_copy(fork, fork, 1, &error));
  FAILS(SONIQ_ERROR_CAPACITY, soniq_sequence_copy(small, sequence, 9, &error));
  CHECK(length_of(fork) == 45 && length_of(small) == 0 && length_of(sequence) == 22);
  OK(soniq_sequence_copy(small, sequence, 8, &error));
  OK(soniq_sequence_copy(fork, small, 0, &error));
  CHECK(length_of(small) == 8 && length_of(fork) == 0);
  run_one(decoder, item_of(fork, texts[0], 3, SONIQ_OUTPUTS_ALL));
  CHECK(gives(decoder, 0, 0, 0, 3));
  soniq_sequence_destroy(small);
  soniq_sequence_destroy(fork);
  soniq_sequence_destroy(sequence);
  soniq_decoder_destroy(decoder);
}

static void saves(const soniq_model *other) {
  static unsigned char saved[SAVED_BYTES], again[SAVED_BYTES];
  soniq_decoder *decoder = make_decoder(1, 0, 0, LENGTH), *second = make_decoder(2, SONIQ_ISA_PORTABLE, 7, LENGTH);
  soniq_sequence *sequence = make_sequence(0), *loaded = make_sequence(45), *small = make_sequence(8), *foreign = NULL;
  size_t size = 0, same = 0, i;
  run_one(decoder, item_of(sequence, texts[4], 40, SONIQ_OUTPUTS_NONE));
  OK(soniq_sequence_save(sequence, NULL, 0, &size, &error));
  CHECK(size > 40 && size <= SAVED_BYTES);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sequence_save(sequence, saved, size - 1, &same, &error));
  CHECK(same == size);
  OK(soniq_sequence_save(sequence, saved, SAVED_BYTES, &size, &error));
  run_one(decoder, item_of(loaded, texts[0], 6, SONIQ_OUTPUTS_NONE));
  for (i = 0; i < size; i += i < 400 ? 1 : 37) {
    saved[i] ^= 4;
    FAILS(SONIQ_ERROR_DATA, soniq_sequence_load(loaded, saved, size, &error));
    saved[i] ^= 4;
  }
  for (i = 0; i < size; i += i < 400 ? 1 : 37) FAILS(SONIQ_ERROR_DATA, soniq_sequence_load(loaded, saved, i, &error));
  FAILS(SONIQ_ERROR_CAPACITY, soniq_sequence_load(small, saved, size, &error));
  OK(soniq_sequence_create(&foreign, other, NULL, &error));
  FAILS(SONIQ_ERROR_DATA, soniq_sequence_load(foreign, saved, size, &error));
  CHECK(length_of(small) == 0 && length_of(foreign) == 0);
  // As before.
  run_one(decoder, item_of(loaded, texts[0] + 6, 4, SONIQ_OUTPUTS_ALL));
  CHECK(gives(decoder, 0, 0, 6, 4));
  OK(soniq_sequence_load(loaded, saved, size, &error));
  OK(soniq_sequence_save(loaded, again, SAVED_BYTES, &same, &error));
  CHECK(same == size && memcmp(saved, again, size) == 0 && length_of(loaded) == 40);
  run_one(second, item_of(loaded, texts[4] + 40, 5, SONIQ_OUTPUTS_ALL));
  CHECK(gives(second, 0, 4, 40, 5));
  soniq_sequence_destroy(foreign);
  soniq_sequence_destroy(small);
  soniq_sequence_destroy(loaded);
  soniq_sequence_destroy(sequence);
  soniq_decoder_destroy(second);
  soniq_decoder_destroy(decoder);
}

// The host's allocator gives all memory when objects are made, or they are not made.
static void asks_the_host(void) {
  soniq_allocator allocator = SONIQ_ALLOCATOR_INIT;
  soniq_decoder_options options = SONIQ_DECODER_OPTIONS_INIT;
  soniq_sequence_options of_sequence = SONIQ_SEQUENCE_OPTIONS_INIT;
  soniq_decoder *decoder = NULL;
  soniq_sequence *sequence = NULL;
  size_t size = 0, made;
  allocator.allocate = allocate;
  allocator.release = release;
  options.allocator = of_sequence.allocator = &allocator;
  options.thread_count = 1;
  for (allowed_allocations = 0; sequence == NULL && allowed_allocations < 100; allowed_allocations++) {
    allocations = 0;
    if (soniq_sequence_create(&sequence, model, &of_sequence, NULL) != SONIQ_OK)
      FAILS(SONIQ_ERROR_OUT_OF_MEMORY, (allocations = 0, soniq_sequence_create(&sequence, model, &of_sequence, &error)));
  }
  OK(soniq_sequence_size(model, &of_sequence, &size, &error));
  CHECK(sequence != NULL && held >= size && held < size + 65536);
  for (allowed_allocations = 0; decoder == NULL && allowed_allocations < 1000; allowed_allocations++) {
    allocations = 0;
    if (soniq_decoder_create(&decoder, model, &options, NULL) != SONIQ_OK)
      FAILS(SONIQ_ERROR_OUT_OF_MEMORY, (allocations = 0, soniq_decoder_create(&decoder, model, &options, &error)));
  }
  made = allocations;
  run_one(decoder, item_of(sequence, texts[0], 20, SONIQ_OUTPUTS_LAST));
  CHECK(gives(decoder, 0, 0, 19, 1) && allocations == made);
  soniq_decoder_destroy(decoder);
  // The model stays open for it.
  run_one(decoder = make_decoder(1, 0, 0, 0), item_of(sequence, texts[0] + 20, 2, SONIQ_OUTPUTS_LAST));
  CHECK(gives(decoder, 0, 0, 21, 1));
  soniq_sequence_destroy(sequence);
  soniq_decoder_destroy(decoder);
  CHECK(held == 0);
}

int main(int argc, char **argv) {
  const size_t sizes[] = {1, 7, LENGTH};
  soniq_model *opened = NULL, *other = NULL;
  uint32_t threads;
  int set, size;
  if (argc != 3) return 2;
  OK(soniq_model_open(&opened, argv[1], NULL, &error));
  OK(soniq_model_open(&other, argv[2], NULL, &error));
  model = opened;
  expect();
  for (set = 0; set < MACHINE_ISAS; set++) {
    const uint32_t isa = machine_isas[set].isa;
    if (isa > newest_isa()) {
      check_skip(machine_isas[set].name);
      continue;
    }
    for (threads = 1; threads <= 3; threads++) {
      for (size = 0; size < 3; size++) in_pieces(threads, isa, sizes[size], size == 1 ? 3 : 0);
      side_by_side(threads, isa);
    }
  }
  forks();
  saves(other);
  asks_the_host();
  soniq_model_destroy(other);
  soniq_model_destroy(opened);
  return check_report();
}
