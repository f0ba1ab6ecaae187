/* Says where somebody speaks, while the sound comes in: Silero's voice activity detector, 32 ms at a time.
 *
 * usage: listen MODEL.soniq [SOUND.wav]        16 kHz or 48 kHz, 16 bits, one channel
 *        arecord -q -t raw -f S16_LE -r 16000 -c 1 | listen MODEL.soniq
 *
 * What the network remembers is a state of the session: every run takes up where the one before stopped, so a frame costs
 * one small run however long the recording is. examples/vad/prepare.py makes the model. */
#include <soniq.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { RATE = 16000, FRAME = 512, CONTEXT = 64, INPUT = CONTEXT + FRAME };
/* Speech begins above the one and ends after so many frames below the other. */
static const float BEGIN = 0.5f, END = 0.35f;
enum { SILENT_FRAMES = 4 };

typedef struct {
  FILE *file;
  int step; /* samples of the file for one of ours */
} sound;

static int fail(const char *what, soniq_error *error) {
  fprintf(stderr, "listen: %s: %s\n", what, error != NULL ? soniq_error_message(error) : "cannot be read");
  soniq_error_destroy(error);
  return 1;
}

static uint32_t little(const unsigned char *bytes, int count) {
  uint32_t value = 0;
  while (count-- > 0) value = value << 8 | bytes[count];
  return value;
}

/* Goes to the samples of a WAV file; 0 unless it holds 16-bit samples of one channel at 16 or 48 kHz. */
static int open_wave(sound *source, const char *path) {
  unsigned char head[24];
  int is_known = 0;
  source->file = fopen(path, "rb");
  if (source->file == NULL || fread(head, 1, 12, source->file) != 12 || memcmp(head, "RIFF", 4) != 0) return 0;
  while (fread(head, 1, 8, source->file) == 8) {
    uint32_t length = little(head + 4, 4);
    if (memcmp(head, "data", 4) == 0) return is_known;
    if (memcmp(head, "fmt ", 4) == 0 && length >= 16) {
      if (fread(head + 8, 1, 16, source->file) != 16) return 0;
      uint32_t rate = little(head + 12, 4);
      source->step = rate == 3 * RATE ? 3 : 1;
      is_known = little(head + 8, 2) == 1 && little(head + 10, 2) == 1 && rate == (uint32_t)(RATE * source->step) &&
                 little(head + 22, 2) == 16;
      length -= 16;
    }
    if (fseek(source->file, (long)(length + length % 2), SEEK_CUR) != 0) return 0;
  }
  return 0;
}

/* The next samples, -1 to 1; of 48 kHz the mean of three. Returns how many there were. */
static int next_samples(sound *source, float *samples, int count) {
  for (int index = 0; index < count; index++) {
    unsigned char bytes[6];
    float sum = 0;
    if (fread(bytes, 2, (size_t)source->step, source->file) != (size_t)source->step) return index;
    for (int part = 0; part < source->step; part++) sum += (float)(int16_t)little(bytes + 2 * part, 2);
    samples[index] = sum / (32768.0f * (float)source->step);
  }
  return count;
}

/* Runs every frame; returns 1 after an error. */
static int listen(soniq_session *session, sound *source) {
  float input[INPUT] = {0};
  int64_t shape[2] = {1, INPUT};
  int speaks = 0, silent = 0;
  soniq_error *error = NULL;
  for (long frame = 0; next_samples(source, input + CONTEXT, FRAME) == FRAME; frame++) {
    soniq_tensor output = SONIQ_TENSOR_INIT;
    if (soniq_session_set_input(session, 0, SONIQ_FLOAT32, 2, shape, input, &error) != SONIQ_OK ||
        soniq_session_run(session, &error) != SONIQ_OK ||
        soniq_session_output(session, 0, &output, &error) != SONIQ_OK)
      return fail("a frame", error);
    float speech = *(const float *)output.data;
    double seconds = (double)frame * FRAME / RATE;
    silent = speech < END ? silent + 1 : 0;
    if (!speaks && speech > BEGIN) {
      speaks = 1;
      printf("%7.2f s  speech begins (%.2f)\n", seconds, speech);
    } else if (speaks && silent == SILENT_FRAMES) {
      speaks = 0;
      printf("%7.2f s  speech ends\n", seconds - (double)(SILENT_FRAMES - 1) * FRAME / RATE);
    }
    fflush(stdout);
    memmove(input, input + FRAME, CONTEXT * sizeof *input);
  }
  if (speaks) printf("         it ends while somebody speaks\n");
  return 0;
}

int main(int count, char **arguments) {
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  soniq_error *error = NULL;
  sound source = {stdin, 1};
  int status;
  if (count < 2 || count > 3) {
    fprintf(stderr, "usage: listen MODEL.soniq [SOUND.wav]\n");
    return 2;
  }
  if (count == 3 && !open_wave(&source, arguments[2])) {
    fprintf(stderr, "listen: %s: no WAV file of one channel, 16 bits, 16 or 48 kHz\n", arguments[2]);
    return 1;
  }
  if (soniq_model_open(&model, arguments[1], NULL, &error) != SONIQ_OK) return fail(arguments[1], error);
  if (soniq_session_create(&session, model, NULL, &error) != SONIQ_OK) {
    soniq_model_destroy(model);
    return fail(arguments[1], error);
  }
  status = listen(session, &source);
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return status;
}
