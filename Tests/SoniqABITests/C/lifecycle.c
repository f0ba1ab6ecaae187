// What a model says about itself, how long things live, and one model on four threads.
// usage: lifecycle MODEL
#include <pthread.h>

#include "check.h"
#include "read_files.h"

static void description(const soniq_model *model) {
  uint32_t inputs = 0, outputs = 0, entries = 0, index = 0, i, d;
  OK(soniq_model_input_count(model, &inputs, &error));
  OK(soniq_model_output_count(model, &outputs, &error));
  CHECK(inputs >= 1 && outputs >= 1);
  for (i = 0; i < inputs + outputs; i++) {
    soniq_tensor_info info = SONIQ_TENSOR_INFO_INIT;
    if (i < inputs) {
      OK(soniq_model_input_info(model, i, &info, &error));
      OK(soniq_model_input_index(model, info.name, &index, &error));
      CHECK(index == i);
    } else {
      OK(soniq_model_output_info(model, i - inputs, &info, &error));
      OK(soniq_model_output_index(model, info.name, &index, &error));
      CHECK(index == i - inputs && !info.is_optional);
    }
    CHECK(info.struct_size == sizeof info && info.name != NULL && strlen(info.name) > 0);
    CHECK(info.element_type == SONIQ_INT32 || info.element_type == SONIQ_FLOAT32);
    CHECK(info.rank >= 1 && info.rank <= SONIQ_MAXIMUM_RANK);
    for (d = 0; d < SONIQ_MAXIMUM_RANK; d++) {
      int dynamic = info.dimensions[d] == -1;
      CHECK(dynamic == (info.dimension_names[d] != NULL));
      CHECK(d >= info.rank ? info.dimensions[d] == 0 && info.maximum_dimensions[d] == 0
                           : info.maximum_dimensions[d] >= 1 &&
                                 (dynamic || info.dimensions[d] == info.maximum_dimensions[d]));
      CHECK(d >= info.rank ? info.usual_dimensions[d] == 0
                           : info.usual_dimensions[d] >= 1 &&
                                 info.usual_dimensions[d] <= info.maximum_dimensions[d]);
    }
  }
  OK(soniq_model_metadata_count(model, &entries, &error));
  for (i = 0; i < entries; i++) {
    soniq_metadata entry = SONIQ_METADATA_INIT, found = SONIQ_METADATA_INIT;
    OK(soniq_model_metadata_get(model, i, &entry, &error));
    CHECK(entry.kind >= SONIQ_METADATA_TEXT && entry.kind <= SONIQ_METADATA_BOOLEAN);
    CHECK((entry.kind == SONIQ_METADATA_TEXT) == (entry.text != NULL));
    CHECK(entry.text == NULL || strlen(entry.text) == entry.text_length);
    OK(soniq_model_metadata_find(model, entry.key, &found, &error));
    CHECK(found.kind == entry.kind && found.text == entry.text && found.integer == entry.integer);
  }
}

// Result structs of an older and of a newer header.
static void struct_sizes(const soniq_model *model) {
  union {
    soniq_tensor_info info;
    unsigned char bytes[sizeof(soniq_tensor_info) + 32];
  } room;
  size_t i;
  memset(&room, 0xaa, sizeof room);
  room.info.struct_size = 24;  // ends behind `name`
  OK(soniq_model_input_info(model, 0, &room.info, &error));
  CHECK(room.info.struct_size == 24 && room.info.rank >= 1 && room.info.name != NULL);
  for (i = 24; i < sizeof room; i++) CHECK(room.bytes[i] == 0xaa);
  memset(&room, 0xaa, sizeof room);
  room.info.struct_size = sizeof(soniq_tensor_info) + 16;
  OK(soniq_model_input_info(model, 0, &room.info, &error));
  for (i = 0; i < 16; i++) CHECK(room.bytes[sizeof(soniq_tensor_info) + i] == 0);
  for (i = 16; i < 32; i++) CHECK(room.bytes[sizeof(soniq_tensor_info) + i] == 0xaa);
}

// Option structs of an older and of a newer header.
static void option_sizes(const char *path) {
  union {
    soniq_model_options options;
    unsigned char bytes[sizeof(soniq_model_options) + 64];
  } room;
  soniq_model_options fresh = SONIQ_MODEL_OPTIONS_INIT;
  soniq_model *model = NULL;
  memset(&room, 0, sizeof room);
  room.options = fresh;
  room.options.struct_size = sizeof(soniq_model_options) + 64;
  OK(soniq_model_open(&model, path, &room.options, &error));
  soniq_model_destroy(model);
  // What lies behind an older struct is not read.
  memset(&room, 0xaa, sizeof room);
  room.options.struct_size = 16;
  room.options.abi_version = 1;
  room.options.flags = 0;
  room.options.reserved = 0;
  OK(soniq_model_open(&model, path, &room.options, &error));
  soniq_model_destroy(model);
  room.options.struct_size = 8;
  OK(soniq_model_open(&model, path, &room.options, &error));
  soniq_model_destroy(model);
}

typedef struct {
  uint64_t last, total;
  int calls, stop_at, wrong;
} progress_record;

static int32_t on_progress(void *context, uint64_t completed, uint64_t total) {
  progress_record *record = context;
  record->wrong |= completed < record->last || completed > total || (record->calls == 0 && completed != 0);
  record->last = completed;
  record->total = total;
  return record->calls++ == record->stop_at;
}

static void verification(const char *path, const soniq_model *model) {
  progress_record record = {0, 0, 0, -1, 0};
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  soniq_model *other = NULL;
  OK(soniq_model_verify(model, NULL, NULL, &error));
  OK(soniq_model_verify(model, on_progress, &record, &error));
  CHECK(record.calls >= 2 && !record.wrong && record.last == record.total && record.total > 0);
  memset(&record, 0, sizeof record);
  FAILS(SONIQ_ERROR_CANCELLED, soniq_model_verify(model, on_progress, &record, &error));
  CHECK(record.calls == 1);
  memset(&record, 0, sizeof record);
  options.flags = SONIQ_MODEL_VERIFY;
  options.progress = on_progress;
  options.progress_context = &record;
  FAILS(SONIQ_ERROR_CANCELLED, soniq_model_open(&other, path, &options, &error));
  CHECK(other == NULL && record.calls == 1);
  memset(&record, 0, sizeof record);
  record.stop_at = -1;
  OK(soniq_model_open(&other, path, &options, &error));
  CHECK(record.calls >= 2 && record.last == record.total);
  soniq_model_destroy(other);
}

// Models in memory: borrowed, copied, truncated at every byte, damaged at every byte.
static void memory(const char *path, const soniq_model *original) {
  size_t size = 0, i;
  unsigned char *bytes = read_file(path, &size);
  soniq_model_options copy = SONIQ_MODEL_OPTIONS_INIT;
  soniq_model_statistics statistics = SONIQ_MODEL_STATISTICS_INIT;
  soniq_model *model = NULL;
  uint64_t file_bytes;
  int proper = 1;
  copy.flags = SONIQ_MODEL_COPY;
  CHECK(bytes != NULL && size > 0);
  if (bytes == NULL) return;
  OK(soniq_model_get_statistics(original, &statistics, &error));
  file_bytes = statistics.file_bytes;
  CHECK(file_bytes == size && statistics.mapped_bytes == size && statistics.heap_bytes > 0);
  CHECK(statistics.heap_bytes < 1 << 20 && statistics.node_count > 0);
  OK(soniq_model_open_memory(&model, bytes, size, NULL, &error));
  OK(soniq_model_get_statistics(model, &statistics, &error));
  CHECK(statistics.mapped_bytes == 0 && statistics.file_bytes == size && statistics.heap_bytes < size + 65536);
  soniq_model_destroy(model);
  memmove(bytes + 1, bytes, size);
  OK(soniq_model_open_memory(&model, bytes + 1, size, &copy, &error));
  OK(soniq_model_get_statistics(model, &statistics, &error));
  CHECK(statistics.mapped_bytes == 0 && statistics.heap_bytes >= size);
  memset(bytes, 0, size + 1);  // the copy does not care
  OK(soniq_model_verify(model, NULL, NULL, &error));
  soniq_model_destroy(model);
  free(bytes);
  bytes = read_file(path, &size);
  for (i = 0; i < size; i += size > 100000 ? 4099 : 1) {
    soniq_error *error = NULL;
    soniq_status status = soniq_model_open_memory(&model, bytes, i, NULL, &error);
    proper &= status != SONIQ_OK && error != NULL && soniq_error_field(error) != NULL;
    soniq_error_destroy(error);
    if (model != NULL) soniq_model_destroy(model);
  }
  CHECK(proper);
  // Every flipped byte is found by a full check; without it, by opening or not at all, but never by a crash.
  for (i = 0; i < size && size < 100000; i++) {
    soniq_model_options verify = SONIQ_MODEL_OPTIONS_INIT;
    verify.flags = SONIQ_MODEL_VERIFY;
    bytes[i] ^= 0x10;
    if (soniq_model_open_memory(&model, bytes, size, NULL, NULL) == SONIQ_OK) soniq_model_destroy(model);
    proper &= soniq_model_open_memory(&model, bytes, size, &verify, NULL) != SONIQ_OK && model == NULL;
    bytes[i] ^= 0x10;
  }
  CHECK(proper);
  free(bytes);
}

// A session keeps its model open; references are counted.
static void lifetimes(const char *path) {
  soniq_model *model = NULL;
  soniq_session *session;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
  OK(soniq_model_open(&model, path, NULL, &error));
  OK(soniq_model_retain(model, &error));
  soniq_model_destroy(model);
  session = small_session(model);
  OK(soniq_session_kernel_get(session, 0, &report, &error));
  soniq_model_destroy(model);
  CHECK(run_ids(session, 2, 4) == SONIQ_OK);
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(output.data != NULL && ((uintptr_t)output.data & 63) == 0 && output.dimensions[0] == 2);
  CHECK(strlen(report.kernel) > 0);
  soniq_session_destroy(session);
}

static void reports(const soniq_model *model) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  soniq_session *session = NULL;
  uint32_t nodes = 0, steps = 0, i;
  uint64_t nanoseconds = 0;
  size_t workspace = 0;
  options.flags = SONIQ_SESSION_PROFILE;
  options.thread_count = 2;
  OK(soniq_session_create(&session, model, &options, &error));
  OK(soniq_session_workspace_size(model, &options, &workspace, &error));
  CHECK(run_ids(session, 1, 4) == SONIQ_OK);
  OK(soniq_session_kernel_count(session, &nodes, &error));
  OK(soniq_session_profile_count(session, &steps, &error));
  CHECK(nodes > 0 && steps > 0 && steps <= nodes);
  for (i = 0; i < nodes; i++) {
    soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
    OK(soniq_session_kernel_get(session, i, &report, &error));
    CHECK(strlen(report.node) > 0 && strlen(report.operation) > 0 && strlen(report.kernel) > 0);
    CHECK(report.level != NULL && report.refusals != NULL && report.isa <= soniq_cpu_isa());
  }
  for (i = 0; i < steps; i++) {
    soniq_profile_entry entry = SONIQ_PROFILE_ENTRY_INIT;
    OK(soniq_session_profile_get(session, i, &entry, &error));
    CHECK(strlen(entry.name) > 0 && strlen(entry.kernel) > 0 && entry.nanoseconds < 10000000000u);
    nanoseconds += entry.nanoseconds;
  }
  CHECK(nanoseconds > 0);
  OK(soniq_session_profile_reset(session, &error));
  for (i = 0; i < steps; i++) {
    soniq_profile_entry entry = SONIQ_PROFILE_ENTRY_INIT;
    OK(soniq_session_profile_get(session, i, &entry, &error));
    CHECK(entry.nanoseconds == 0 && entry.rows == 0 && entry.multiply_accumulates == 0);
  }
  OK(soniq_session_get_statistics(session, &statistics, &error));
  CHECK(statistics.run_count == 1 && statistics.thread_count == 2 && statistics.isa == newest_isa());
  CHECK(statistics.workspace_bytes == workspace && statistics.heap_bytes >= workspace);
  CHECK(statistics.heap_resident_bytes > 0 && statistics.allocation_count > 0);
  soniq_session_destroy(session);
}

typedef struct {
  const soniq_model *model;
  float expected[4096];
  size_t count;
  int failures;
} thread_record;

static void *run_thread(void *argument) {
  thread_record *record = argument;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_session *session = NULL;
  int i;
  options.thread_count = 1;
  if (soniq_session_create(&session, record->model, &options, NULL) != SONIQ_OK) record->failures++;
  for (i = 0; i < 200 && session != NULL; i++) {
    soniq_tensor output = SONIQ_TENSOR_INIT;
    if (run_ids(session, 2, 8) != SONIQ_OK || soniq_session_output(session, 0, &output, NULL) != SONIQ_OK ||
        output.byte_count != record->count ||
        memcmp(output.data, record->expected, output.byte_count) != 0) {
      record->failures++;
    }
  }
  soniq_session_destroy(session);
  return NULL;
}

// Four sessions of one model at once: the same bits as alone.
static void four_threads(const soniq_model *model) {
  static thread_record records[4];
  pthread_t threads[4];
  soniq_session *session = small_session(model);
  soniq_tensor output = SONIQ_TENSOR_INIT;
  int i;
  CHECK(run_ids(session, 2, 8) == SONIQ_OK);
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(output.byte_count <= sizeof records[0].expected);
  for (i = 0; i < 4; i++) {
    records[i].model = model;
    records[i].count = output.byte_count;
    memcpy(records[i].expected, output.data, output.byte_count);
    CHECK(pthread_create(&threads[i], NULL, run_thread, &records[i]) == 0);
  }
  for (i = 0; i < 4; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(records[i].failures == 0);
  }
  soniq_session_destroy(session);
}

int main(int argc, char **argv) {
  soniq_model *model = NULL;
  if (argc != 2) return 2;
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  if (model == NULL) return check_report();
  description(model);
  struct_sizes(model);
  option_sizes(argv[1]);
  verification(argv[1], model);
  memory(argv[1], model);
  lifetimes(argv[1]);
  reports(model);
  four_threads(model);
  soniq_model_destroy(model);
  return check_report();
}
