// Files that the tests read: a model's, and what the kernel says of this process.
#ifndef SONIQ_TEST_READ_FILES_H
#define SONIQ_TEST_READ_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A file's bytes, at an address that models in memory may have, with room for 64 more; NULL when it cannot be read.
static inline unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  void *bytes = NULL;
  long length = 0;
  if (file == NULL) return NULL;
  if (fseek(file, 0, SEEK_END) == 0) length = ftell(file);
  rewind(file);
  if (posix_memalign(&bytes, 64, (size_t)length + 64) != 0) bytes = NULL;
  *size = bytes != NULL ? fread(bytes, 1, (size_t)length, file) : 0;
  fclose(file);
  return bytes;
}

// A number of /proc/self/status, in kB, by its key with the colon; -1 when there is none.
static inline long process_status(const char *key) {
  char line[256];
  long value = -1;
  FILE *file = fopen("/proc/self/status", "r");
  if (file == NULL) return -1;
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, key, strlen(key)) == 0) value = atol(line + strlen(key));
  }
  fclose(file);
  return value;
}

#endif
