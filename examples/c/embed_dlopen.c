/* The same as embed.c for a host that loads libsoniq as a plug-in: nothing is linked, and a missing or too old
 * library is an error message and not a failure to start.
 *
 *   cc -std=c99 embed_dlopen.c $(pkg-config --cflags soniq) -ldl -lm -o embed_dlopen
 *   SONIQ_LIBRARY=/opt/soniq/lib/libsoniq.so.0 ./embed_dlopen model.soniq */
#include <dlfcn.h>
#include <soniq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The functions that this host needs, by the names of the header. */
typedef struct {
  const char *(*version)(void);
  soniq_status (*require_abi)(uint32_t, soniq_error **);
  const char *(*error_message)(const soniq_error *);
  void (*error_destroy)(soniq_error *);
  soniq_status (*model_open)(soniq_model **, const char *, const soniq_model_options *, soniq_error **);
  void (*model_destroy)(soniq_model *);
  soniq_status (*session_create)(soniq_session **, const soniq_model *, const soniq_session_options *,
                                 soniq_error **);
  void (*session_destroy)(soniq_session *);
  soniq_status (*session_set_input)(soniq_session *, uint32_t, uint32_t, uint32_t, const int64_t *,
                                    const void *, soniq_error **);
  soniq_status (*session_run)(soniq_session *, soniq_error **);
  soniq_status (*session_output)(soniq_session *, uint32_t, soniq_tensor *, soniq_error **);
} soniq_functions;

/* ISO C has no cast from an object pointer to a function pointer: copy the bits, as POSIX allows. */
static int find(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  memcpy(function, &symbol, sizeof symbol);
  if (symbol == NULL) fprintf(stderr, "the library has no %s\n", name);
  return symbol != NULL;
}

static int find_all(void *library, soniq_functions *soniq) {
  return find(library, "soniq_version", &soniq->version) &&
         find(library, "soniq_require_abi", &soniq->require_abi) &&
         find(library, "soniq_error_message", &soniq->error_message) &&
         find(library, "soniq_error_destroy", &soniq->error_destroy) &&
         find(library, "soniq_model_open", &soniq->model_open) &&
         find(library, "soniq_model_destroy", &soniq->model_destroy) &&
         find(library, "soniq_session_create", &soniq->session_create) &&
         find(library, "soniq_session_destroy", &soniq->session_destroy) &&
         find(library, "soniq_session_set_input", &soniq->session_set_input) &&
         find(library, "soniq_session_run", &soniq->session_run) &&
         find(library, "soniq_session_output", &soniq->session_output);
}

static int embed(const soniq_functions *soniq, const char *path) {
  const int32_t ids[4] = {1, 2, 3, 4};
  const int64_t shape[2] = {1, 4};
  soniq_model_options model_options = SONIQ_MODEL_OPTIONS_INIT;
  soniq_session_options session_options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  soniq_error *error = NULL;
  int good;
  session_options.thread_count = 1; /* a plug-in leaves the cores to its host */
  good = soniq->require_abi(SONIQ_ABI_VERSION, &error) == SONIQ_OK &&
         soniq->model_open(&model, path, &model_options, &error) == SONIQ_OK &&
         soniq->session_create(&session, model, &session_options, &error) == SONIQ_OK &&
         soniq->session_set_input(session, 0, SONIQ_INT32, 2, shape, ids, &error) == SONIQ_OK &&
         soniq->session_run(session, &error) == SONIQ_OK &&
         soniq->session_output(session, 0, &output, &error) == SONIQ_OK;
  if (good) {
    printf("output 0: %lu bytes, first number %.4f\n", (unsigned long)output.byte_count,
           *(const float *)output.data);
  } else {
    fprintf(stderr, "%s: %s\n", path, soniq->error_message(error));
  }
  soniq->error_destroy(error);
  soniq->session_destroy(session);
  soniq->model_destroy(model);
  return good;
}

int main(int argc, char **argv) {
  const char *name = getenv("SONIQ_LIBRARY");
  soniq_functions soniq;
  void *library;
  int good;
  if (argc != 2) {
    fprintf(stderr, "usage: embed_dlopen model.soniq\n");
    return 2;
  }
  library = dlopen(name != NULL ? name : "libsoniq.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  good = find_all(library, &soniq);
  if (good) {
    printf("loaded soniq %s\n", soniq.version());
    good = embed(&soniq, argv[1]);
  }
  return dlclose(library) != 0 || !good;
}
