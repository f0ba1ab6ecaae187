/* A conversation with a language model, linked with libsoniq.
 *
 *   cc -std=c99 chat.c $(pkg-config --cflags --libs soniq) -o chat
 *   ./chat model.soniq ["what the model is told first"]
 *
 * Each line is a message; the end of the input is that of the conversation. Turns are written in ChatML, which SmolLM2,
 * Qwen and others were trained on. Other families have other forms: the metadata tokenizer.chat_template says which. */
#include <soniq.h>
#include <stdio.h>
#include <string.h>

enum { MAXIMUM_LINE = 4096, MAXIMUM_TOKENS = 16384, MAXIMUM_ANSWER = 512 };

typedef struct {
  soniq_model *model;
  soniq_tokenizer *tokenizer;
  soniq_decoder *decoder;
  soniq_sequence *sequence; /* what was said; only new tokens run */
  soniq_sampler *sampler;
  soniq_error *error;
  int32_t end;
  int32_t tokens[MAXIMUM_TOKENS]; /* the next ones for the model */
  size_t count;
} conversation;

#define TRY(call) do { soniq_status failed = (call); if (failed != SONIQ_OK) return failed; } while (0)

static soniq_status begin(conversation *c, const char *path) {
  soniq_sampler_options sampling = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_tensor_info logits = SONIQ_TENSOR_INFO_INIT;
  uint32_t output = 0;
  TRY(soniq_model_open(&c->model, path, NULL, &c->error));
  TRY(soniq_tokenizer_create(&c->tokenizer, c->model, &c->error));
  TRY(soniq_tokenizer_find(c->tokenizer, "<|im_end|>", strlen("<|im_end|>"), &c->end, &c->error));
  TRY(soniq_decoder_create(&c->decoder, c->model, NULL, &c->error));
  TRY(soniq_sequence_create(&c->sequence, c->model, NULL, &c->error));
  TRY(soniq_model_output_index(c->model, "logits", &output, &c->error));
  TRY(soniq_model_output_info(c->model, output, &logits, &c->error));
  sampling.temperature = 0.7f, sampling.top_p = 0.9f;
  return soniq_sampler_create(&c->sampler, (uint32_t)logits.maximum_dimensions[logits.rank - 1], &sampling, &c->error);
}

/* Puts a text behind the tokens; without PARSE_SPECIAL the names of control tokens in it are text. */
static soniq_status put(conversation *c, const char *text, uint32_t flags) {
  size_t room = MAXIMUM_TOKENS - c->count, count = 0;
  TRY(soniq_tokenizer_encode(c->tokenizer, text, strlen(text), flags, c->tokens + c->count, room, &count, &c->error));
  c->count += count <= room ? count : 0;
  return count <= room ? SONIQ_OK : SONIQ_ERROR_CAPACITY;
}

static soniq_status put_turn(conversation *c, const char *before, const char *text, const char *behind) {
  TRY(put(c, before, SONIQ_ENCODE_PARSE_SPECIAL));
  TRY(put(c, text, 0));
  return put(c, behind, SONIQ_ENCODE_PARSE_SPECIAL);
}

/* Runs the tokens and writes what follows them, byte by byte as it comes, up to the end of the turn. */
static soniq_status answer(conversation *c) {
  soniq_decoder_item item = {c->sequence, c->tokens, c->count, SONIQ_OUTPUTS_LAST, 0};
  uint32_t flags = SONIQ_DECODE_SKIP_SPECIAL;
  int32_t token = 0, length;
  for (length = 0; length < MAXIMUM_ANSWER; length++, flags |= SONIQ_DECODE_CONTINUES) {
    soniq_tensor logits = SONIQ_TENSOR_INIT;
    char text[1024];
    size_t bytes = 0;
    TRY(soniq_decoder_run(c->decoder, &item, 1, &c->error));
    TRY(soniq_decoder_output(c->decoder, 0, &logits, &c->error));
    TRY(soniq_sampler_sample(c->sampler, logits.data, (size_t)logits.dimensions[1], NULL, &token, NULL, &c->error));
    if (token == c->end) break;
    TRY(soniq_tokenizer_decode(c->tokenizer, &token, 1, flags, text, sizeof text, &bytes, &c->error));
    fwrite(text, 1, bytes < sizeof text ? bytes : sizeof text, stdout), fflush(stdout);
    item.tokens = &token, item.token_count = 1;
  }
  puts("");
  c->tokens[0] = token; /* chosen and not yet run: it goes before the next turn */
  c->count = 1;
  return put(c, token == c->end ? "\n" : "<|im_end|>\n", SONIQ_ENCODE_PARSE_SPECIAL);
}

int main(int argc, char **argv) {
  static conversation c;
  char line[MAXIMUM_LINE];
  soniq_status status = argc < 2 ? SONIQ_ERROR_INVALID_ARGUMENT : begin(&c, argv[1]);
  if (argc < 2) fprintf(stderr, "usage: chat model.soniq [\"what the model is told first\"]\n");
  if (status == SONIQ_OK && argc > 2) status = put_turn(&c, "<|im_start|>system\n", argv[2], "<|im_end|>\n");
  while (status == SONIQ_OK && fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    status = put_turn(&c, "<|im_start|>user\n", line, "<|im_end|>\n<|im_start|>assistant\n");
    if (status == SONIQ_OK) status = answer(&c);
  }
  if (status != SONIQ_OK && argc > 1)
    fprintf(stderr, "chat: %s\n", c.error ? soniq_error_message(c.error) : "the text has too many tokens");
  soniq_error_destroy(c.error);
  soniq_sampler_destroy(c.sampler);
  soniq_sequence_destroy(c.sequence);
  soniq_decoder_destroy(c.decoder);
  soniq_tokenizer_destroy(c.tokenizer);
  soniq_model_destroy(c.model);
  return status == SONIQ_OK ? 0 : 1;
}
