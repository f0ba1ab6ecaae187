// Semantic search in C++: embeds a few documents in batches on several threads, one session a thread, and
// ranks them against a query by cosine.
//
//   search model.soniq
//
// The documents are token ids: a real host makes them with the tokenizer of its model.
#include <soniq.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

// A soniq_error as an exception.
void check(soniq_status status, soniq_error *error) {
  if (status == SONIQ_OK) return;
  std::string text = std::string(soniq_status_name(status)) + ": " + soniq_error_message(error);
  soniq_error_destroy(error);
  throw std::runtime_error(text);
}

struct Destroy {
  void operator()(soniq_model *model) const { soniq_model_destroy(model); }
  void operator()(soniq_session *session) const { soniq_session_destroy(session); }
};
using Model = std::unique_ptr<soniq_model, Destroy>;
using Session = std::unique_ptr<soniq_session, Destroy>;
using Tokens = std::vector<std::int32_t>;
using Embedding = std::vector<float>;

Model open(const char *path) {
  soniq_model *model = nullptr;
  soniq_error *error = nullptr;
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  check(soniq_model_open(&model, path, &options, &error), error);
  return Model(model);
}

Session make_session(const Model &model) {
  soniq_session *session = nullptr;
  soniq_error *error = nullptr;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_size_limit limits[] = {{"batch", 1}, {"sequence", 16}};  // less memory than the model's maximum
  options.thread_count = 1;                                      // this host has threads of its own
  options.size_limits = limits;
  options.size_limit_count = 2;
  check(soniq_session_create(&session, model.get(), &options, &error), error);
  return Session(session);
}

Embedding embed(soniq_session *session, std::uint32_t output, const Tokens &tokens) {
  soniq_error *error = nullptr;
  soniq_tensor tensor = SONIQ_TENSOR_INIT;
  const std::int64_t shape[] = {1, static_cast<std::int64_t>(tokens.size())};
  check(soniq_session_set_input(session, 0, SONIQ_INT32, 2, shape, tokens.data(), &error), error);
  check(soniq_session_run(session, &error), error);
  check(soniq_session_output(session, output, &tensor, &error), error);
  const float *values = static_cast<const float *>(tensor.data);
  return Embedding(values, values + tensor.dimensions[1]);  // a copy: the next run overwrites it
}

// Embeddings have length 1: the dot product is the cosine.
float cosine(const Embedding &left, const Embedding &right) {
  float sum = 0;
  for (std::size_t i = 0; i < left.size(); i++) sum += left[i] * right[i];
  return sum;
}

// Each thread takes every nth document with a session of its own; they share the model.
std::vector<Embedding> embed_all(const Model &model, std::uint32_t output, const std::vector<Tokens> &documents,
                                 unsigned thread_count) {
  std::vector<Embedding> embeddings(documents.size());
  std::vector<std::string> failures(thread_count);
  std::vector<std::thread> threads;
  for (unsigned first = 0; first < thread_count; first++) {
    threads.emplace_back([&, first] {
      try {
        Session session = make_session(model);
        for (std::size_t i = first; i < documents.size(); i += thread_count) {
          embeddings[i] = embed(session.get(), output, documents[i]);
        }
      } catch (const std::exception &failure) {
        failures[first] = failure.what();
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
  for (const std::string &failure : failures) {
    if (!failure.empty()) throw std::runtime_error(failure);
  }
  return embeddings;
}

int search(const char *path) {
  const std::vector<Tokens> documents = {
      {1, 17, 23, 42, 2}, {1, 5, 6, 7, 8, 9, 2}, {1, 17, 23, 41, 2}, {1, 60, 61, 2}, {1, 30, 31, 32, 33, 2}};
  const Tokens query = {1, 17, 23, 42, 2};  // document 0
  soniq_error *error = nullptr;
  std::uint32_t output = 0;
  const Model model = open(path);
  check(soniq_model_output_index(model.get(), "sentence_embedding", &output, &error), error);
  const std::vector<Embedding> embeddings = embed_all(model, output, documents, 2);
  const Session session = make_session(model);
  const Embedding wanted = embed(session.get(), output, query);

  std::vector<std::size_t> order(documents.size());
  for (std::size_t i = 0; i < order.size(); i++) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
    return cosine(wanted, embeddings[left]) > cosine(wanted, embeddings[right]);
  });
  for (std::size_t i : order) std::printf("document %zu  cosine %.4f\n", i, cosine(wanted, embeddings[i]));
  return order[0] == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: search model.soniq\n");
    return 2;
  }
  try {
    return search(argv[1]);
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
