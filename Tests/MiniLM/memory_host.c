/* Opens a model, runs 128 tokens on one thread and prints the peak resident bytes and the time to open. */
#include <soniq.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static long peak_resident_bytes(void) {
  char line[256];
  long kilobytes = -1;
  FILE *status = fopen("/proc/self/status", "r");
  if (!status) return -1;
  while (fgets(line, sizeof line, status)) {
    if (!strncmp(line, "VmHWM:", 6)) sscanf(line + 6, "%ld", &kilobytes);
  }
  fclose(status);
  return kilobytes * 1024;
}

int main(int argc, char **argv) {
  soniq_error *error = NULL;
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  int32_t ids[128];
  int64_t shape[2] = {1, 128};
  double start, opened;
  int status = 1;
  if (argc != 2) return 2;
  options.thread_count = 1;
  for (int i = 0; i < 128; i++) ids[i] = 2000 + i;
  start = milliseconds();
  if (soniq_model_open(&model, argv[1], NULL, &error) != SONIQ_OK) goto done;
  opened = milliseconds();
  if (soniq_session_create(&session, model, &options, &error) != SONIQ_OK) goto done;
  if (soniq_session_set_input(session, 0, SONIQ_INT32, 2, shape, ids, &error) != SONIQ_OK) goto done;
  if (soniq_session_run(session, &error) != SONIQ_OK) goto done;
  printf("%ld bytes resident at most, %.3f ms to open\n", peak_resident_bytes(), opened - start);
  status = 0;
done:
  if (error) fprintf(stderr, "%s\n", soniq_error_message(error));
  soniq_error_destroy(error);
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return status;
}
