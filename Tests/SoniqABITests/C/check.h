// What the C tests share: counting checks, and the model they run on.
#ifndef SONIQ_TEST_CHECK_H
#define SONIQ_TEST_CHECK_H

#include <soniq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

static int check_passed;
static int check_failed;
static int check_skipped;

// One condition that must hold.
#define CHECK(condition) check_that((condition) != 0, #condition, __FILE__, __LINE__)

// A call that must succeed. It may name the variable `error`.
#define OK(call)                                                          \
  do {                                                                    \
    soniq_error *error = NULL;                                            \
    soniq_status status = (call);                                         \
    check_success(status, error, #call, __FILE__, __LINE__);              \
  } while (0)

// A call that must fail with this status and a proper error object.
#define FAILS(expected, call)                                             \
  do {                                                                    \
    soniq_error *error = NULL;                                            \
    soniq_status status = (call);                                         \
    check_failure((expected), status, error, #call, __FILE__, __LINE__);  \
  } while (0)

static inline void check_that(int condition, const char *text, const char *file, int line) {
  if (condition) {
    check_passed++;
    return;
  }
  check_failed++;
  fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
}

static inline void check_success(soniq_status status, soniq_error *error, const char *text, const char *file,
                                 int line) {
  if (status != SONIQ_OK || error != NULL) {
    fprintf(stderr, "%s:%d: %s: %s: %s\n", file, line, text, soniq_status_name(status),
            soniq_error_message(error));
  }
  check_that(status == SONIQ_OK && error == NULL, text, file, line);
  soniq_error_destroy(error);
}

static inline void check_failure(soniq_status expected, soniq_status status, soniq_error *error,
                                 const char *text, const char *file, int line) {
  const char *message = soniq_error_message(error);
  int proper = status == expected && error != NULL && soniq_error_status(error) == status &&
               strlen(message) > 3 && strchr(message, '\n') == NULL;
  if (!proper) {
    fprintf(stderr, "%s:%d: %s: expected %s, got %s: %s\n", file, line, text, soniq_status_name(expected),
            soniq_status_name(status), message);
  }
  check_that(proper, text, file, line);
  soniq_error_destroy(error);
}

// What cannot be checked on this machine, by name.
static inline void check_skip(const char *what) {
  check_skipped++;
  printf("skipped: %s\n", what);
}

// The SONIQ_MAX_ISA that the tests were started with; empty, which is no cap, when there was none. To be called
// before a test changes it.
static inline const char *outer_cap(void) {
  static char text[32];
  static int known;
  const char *value = getenv("SONIQ_MAX_ISA");
  if (!known && value != NULL) strncpy(text, value, sizeof text - 1);
  known = 1;
  return text;
}

// The newest instruction set that sessions and matrices may use in this run.
static inline uint32_t newest_isa(void) {
  uint32_t isa = soniq_cpu_isa();
  int i;
  for (i = 0; i < MACHINE_ISAS; i++) {
    if (strcmp(outer_cap(), machine_isas[i].name) == 0 && isa > machine_isas[i].isa) isa = machine_isas[i].isa;
  }
  return isa;
}

// Prints the totals in the form that the driver adds up.
static inline int check_report(void) {
  printf("%d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
  return check_failed != 0 || check_passed == 0;
}

// A session of a model with small sizes and one thread.
static inline soniq_session *small_session(const soniq_model *model) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_size_limit limits[2] = {{"batch", 2}, {"sequence", 8}};
  soniq_session *session = NULL;
  options.thread_count = 1;
  options.size_limits = limits;
  options.size_limit_count = 2;
  OK(soniq_session_create(&session, model, &options, &error));
  return session;
}

// The ids of the tests: in range of every test model.
static inline const int32_t *test_ids(void) {
  static const int32_t ids[16] = {1, 5, 9, 2, 7, 3, 11, 4, 8, 6, 10, 12, 13, 14, 15, 1};
  return ids;
}

// Sets input 0 (int32 [batch, sequence]) and runs.
static inline soniq_status run_ids(soniq_session *session, int64_t batch, int64_t sequence) {
  int64_t shape[2];
  soniq_status status;
  shape[0] = batch;
  shape[1] = sequence;
  status = soniq_session_set_input(session, 0, SONIQ_INT32, 2, shape, test_ids(), NULL);
  return status == SONIQ_OK ? soniq_session_run(session, NULL) : status;
}

#endif
