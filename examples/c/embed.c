/* Sentence embedding from C, linked with libsoniq.
 *
 *   cc -std=c99 embed.c $(pkg-config --cflags --libs soniq) -lm -o embed
 *   ./embed model.soniq [token id]...
 *
 * A tokenizer makes the ids; without any, the program uses 1 2 3 4. */
#include <math.h>
#include <soniq.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAXIMUM_TOKENS = 512 };

static int fail(const char *what, soniq_status status, soniq_error *error) {
  fprintf(stderr, "%s: %s: %s\n", what, soniq_status_name(status), soniq_error_message(error));
  soniq_error_destroy(error);
  return 1;
}

/* Says what the model takes and gives: "input_ids int32 [batch<=32, sequence<=512]". */
static void print_tensor(const char *kind, const soniq_tensor_info *info) {
  uint32_t i;
  printf("%s %s %s [", kind, info->name, info->element_type == SONIQ_INT32 ? "int32" : "float32");
  for (i = 0; i < info->rank; i++) {
    if (i > 0) printf(", ");
    if (info->dimension_names[i] != NULL) printf("%s<=", info->dimension_names[i]);
    printf("%lld", (long long)info->maximum_dimensions[i]);
  }
  printf("]%s\n", info->is_optional ? " optional" : "");
}

static soniq_status describe(const soniq_model *model, soniq_error **error) {
  uint32_t inputs = 0, outputs = 0, i;
  soniq_status status = soniq_model_input_count(model, &inputs, error);
  if (status == SONIQ_OK) status = soniq_model_output_count(model, &outputs, error);
  for (i = 0; i < inputs + outputs && status == SONIQ_OK; i++) {
    soniq_tensor_info info = SONIQ_TENSOR_INFO_INIT;
    status = i < inputs ? soniq_model_input_info(model, i, &info, error)
                        : soniq_model_output_info(model, i - inputs, &info, error);
    if (status == SONIQ_OK) print_tensor(i < inputs ? "input " : "output", &info);
  }
  return status;
}

static soniq_status embed(soniq_session *session, uint32_t input, uint32_t output, const int32_t *ids,
                          int64_t count, soniq_tensor *embedding, soniq_error **error) {
  const int64_t shape[2] = {1, count}; /* batch, sequence */
  soniq_status status = soniq_session_set_input(session, input, SONIQ_INT32, 2, shape, ids, error);
  if (status == SONIQ_OK) status = soniq_session_run(session, error);
  if (status == SONIQ_OK) status = soniq_session_output(session, output, embedding, error);
  return status;
}

int main(int argc, char **argv) {
  static int32_t ids[MAXIMUM_TOKENS] = {1, 2, 3, 4};
  int64_t count = argc > 2 ? argc - 2 : 4, i;
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT; /* checks header against library */
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  soniq_error *error = NULL;
  soniq_tensor embedding = SONIQ_TENSOR_INIT;
  uint32_t input = 0, output = 0;
  soniq_status status;
  int result = 1;

  if (argc < 2 || count > MAXIMUM_TOKENS) {
    fprintf(stderr, "usage: embed model.soniq [token id]...\n");
    return 2;
  }
  for (i = 0; i < argc - 2; i++) ids[i] = (int32_t)strtol(argv[i + 2], NULL, 10);

  printf("%s\n", soniq_build_info());
  status = soniq_model_open(&model, argv[1], &options, &error);
  if (status != SONIQ_OK) return fail(argv[1], status, error);
  status = describe(model, &error);
  if (status == SONIQ_OK) status = soniq_model_input_index(model, "input_ids", &input, &error);
  if (status == SONIQ_OK) status = soniq_model_output_index(model, "sentence_embedding", &output, &error);
  if (status == SONIQ_OK) status = soniq_session_create(&session, model, NULL, &error);
  if (status == SONIQ_OK) status = embed(session, input, output, ids, count, &embedding, &error);
  if (status == SONIQ_OK) {
    const float *values = (const float *)embedding.data;
    double square = 0;
    for (i = 0; i < embedding.dimensions[1]; i++) square += (double)values[i] * values[i];
    printf("embedding of %lld tokens: %lld numbers, length %.4f: %.4f %.4f %.4f ...\n", (long long)count,
           (long long)embedding.dimensions[1], sqrt(square), values[0], values[1], values[2]);
    result = fabs(square - 1) > 1e-3; /* this model gives unit vectors */
  } else {
    fail("soniq", status, error);
  }
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return result;
}
