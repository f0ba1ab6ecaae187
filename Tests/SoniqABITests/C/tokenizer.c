// Text to tokens and back.
// usage: tokenizer MODEL OTHER     (MODEL is Tests/Fuzz/seeds/model/tokens.soniq, OTHER has no tokenizer)
#include "check.h"
#include <pthread.h>

enum { MOST = 64 };

static soniq_model *open_file(const char *path) {
  soniq_model *model = NULL;
  OK(soniq_model_open(&model, path, NULL, &error));
  return model;
}

// Whether a text becomes these tokens.
static int gives(const soniq_tokenizer *tokenizer, const char *text, uint32_t flags, const int32_t *expected, size_t count) {
  int32_t tokens[MOST];
  size_t found = 0;
  OK(soniq_tokenizer_encode(tokenizer, text, strlen(text), flags, tokens, MOST, &found, &error));
  return found == count && memcmp(tokens, expected, count * sizeof *tokens) == 0;
}

static int reads(const soniq_tokenizer *tokenizer, const int32_t *tokens, size_t count, uint32_t flags, const char *expected) {
  char text[MOST];
  size_t found = 0;
  OK(soniq_tokenizer_decode(tokenizer, tokens, count, flags, text, MOST, &found, &error));
  return found == strlen(expected) && memcmp(text, expected, found) == 0;
}

static void works(const soniq_tokenizer *tokenizer) {
  const int32_t plain[] = {9, 4, 6, 2}, special[] = {11, 0, 13, 12}, names[] = {11, 9};
  uint32_t count = 0;
  int32_t token = -1;
  OK(soniq_tokenizer_count(tokenizer, &count, &error));
  CHECK(count == 15);
  CHECK(gives(tokenizer, "hello hel", 0, plain, 4));
  CHECK(gives(tokenizer, "h<tool>", SONIQ_ENCODE_ADD_SPECIAL, special, 4));
  CHECK(gives(tokenizer, "<s>hello", SONIQ_ENCODE_PARSE_SPECIAL, names, 2));
  CHECK(gives(tokenizer, "", 0, NULL, 0));
  CHECK(reads(tokenizer, plain, 4, 0, "hello hel"));
  CHECK(reads(tokenizer, special, 4, 0, "<s>h<tool></s>"));
  CHECK(reads(tokenizer, special, 4, SONIQ_DECODE_SKIP_SPECIAL | SONIQ_DECODE_CONTINUES, "h<tool>"));
  OK(soniq_tokenizer_find(tokenizer, "hello", 5, &token, &error));
  CHECK(token == 9);
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_tokenizer_find(tokenizer, "hello!", 6, &token, &error));
  CHECK(token == 0);
}

// Only what there is room for is written; the count is of all.
static void needs_room(const soniq_tokenizer *tokenizer) {
  int32_t tokens[3] = {-1, -1, -1};
  char text[3] = "xyz";
  size_t count = 0;
  OK(soniq_tokenizer_encode(tokenizer, "hello hel", 9, 0, NULL, 0, &count, &error));
  CHECK(count == 4);
  OK(soniq_tokenizer_encode(tokenizer, "hello hel", 9, 0, tokens, 2, &count, &error));
  CHECK(count == 4 && tokens[0] == 9 && tokens[1] == 4 && tokens[2] == -1);
  OK(soniq_tokenizer_decode(tokenizer, tokens, 2, 0, NULL, 0, &count, &error));
  CHECK(count == 6);
  OK(soniq_tokenizer_decode(tokenizer, tokens, 2, 0, text, 2, &count, &error));
  CHECK(count == 6 && memcmp(text, "hez", 3) == 0);
}

static void refuses(const soniq_tokenizer *tokenizer, const soniq_model *model, const soniq_model *other) {
  soniq_tokenizer *made = (soniq_tokenizer *)&made;
  const int32_t wrong[] = {0, 15}, negative[] = {-1};
  int32_t tokens[MOST], token;
  char text[MOST];
  size_t count = 7;
  uint32_t tokens_of = 7;
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_tokenizer_create(&made, other, &error));
  CHECK(made == NULL);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_create(NULL, model, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_create(&made, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_tokenizer_create(&made, (const soniq_model *)tokenizer, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_tokenizer_count((const soniq_tokenizer *)model, &tokens_of, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_count(tokenizer, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_find(tokenizer, NULL, 1, &token, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_find(tokenizer, "h", 1, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_find(tokenizer, "h", 1 << 20, &token, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_encode(tokenizer, NULL, 1, 0, tokens, MOST, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_encode(tokenizer, "h", 1, 4, tokens, MOST, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_encode(tokenizer, "h", 1, 0, NULL, 1, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_encode(tokenizer, "h", 1, 0, tokens, MOST, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_encode(tokenizer, "h", SIZE_MAX, 0, tokens, MOST, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_decode(tokenizer, NULL, 1, 0, text, MOST, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_decode(tokenizer, wrong, 1, 4, text, MOST, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_decode(tokenizer, wrong, 1, 0, NULL, 1, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_tokenizer_decode(tokenizer, wrong, SIZE_MAX, 0, text, MOST, &count, &error));
  FAILS(SONIQ_ERROR_DATA, soniq_tokenizer_decode(tokenizer, wrong, 2, 0, text, MOST, &count, &error));
  FAILS(SONIQ_ERROR_DATA, soniq_tokenizer_decode(tokenizer, negative, 1, 0, text, MOST, &count, &error));
  CHECK(count == 0);
}

static void *encode_often(void *tokenizer) {
  const int32_t plain[] = {9, 4, 6, 2};
  size_t good = 0;
  for (int run = 0; run < 200; run++) {
    int32_t tokens[MOST];
    size_t count = 0;
    if (soniq_tokenizer_encode(tokenizer, "hello hel", 9, 0, tokens, MOST, &count, NULL) == SONIQ_OK && count == 4)
      good += memcmp(tokens, plain, sizeof plain) == 0;
  }
  return good == 200 ? tokenizer : NULL;
}

static void is_shared(soniq_tokenizer *tokenizer) {
  pthread_t threads[4];
  for (int index = 0; index < 4; index++) CHECK(pthread_create(&threads[index], NULL, encode_often, tokenizer) == 0);
  for (int index = 0; index < 4; index++) {
    void *result = NULL;
    CHECK(pthread_join(threads[index], &result) == 0 && result == tokenizer);
  }
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  soniq_model *model = open_file(arguments[1]), *other = open_file(arguments[2]);
  soniq_tokenizer *tokenizer = NULL;
  OK(soniq_tokenizer_create(&tokenizer, model, &error));
  if (tokenizer == NULL) return 1;
  works(tokenizer);
  needs_room(tokenizer);
  refuses(tokenizer, model, other);
  is_shared(tokenizer);
  // It lives on without its model.
  soniq_model_destroy(model);
  works(tokenizer);
  soniq_tokenizer_destroy(tokenizer);
  soniq_tokenizer_destroy(NULL);
  soniq_model_destroy(other);
  return check_report();
}
