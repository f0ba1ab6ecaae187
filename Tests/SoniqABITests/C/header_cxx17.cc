// soniq.h needs nothing before it, in C++17; structs keep their layout.
#include <soniq.h>

#include <cstddef>
#include <type_traits>

static_assert(std::is_same<soniq_status, int32_t>::value, "the status is an int32");
static_assert(sizeof(void *) != 8 || (sizeof(soniq_model_options) == 48 && sizeof(soniq_session_options) == 88 &&
                                      sizeof(soniq_matrix_options) == 136 && sizeof(soniq_level) == 32 &&
                                      sizeof(soniq_size_limit) == 16 && sizeof(soniq_allocator) == 32 &&
                                      sizeof(soniq_thread_pool) == 32 && sizeof(soniq_tensor_info) == 280 &&
                                      sizeof(soniq_tensor) == 96 && sizeof(soniq_metadata) == 56 &&
                                      sizeof(soniq_kernel_report) == 56 && sizeof(soniq_profile_entry) == 64 &&
                                      sizeof(soniq_model_statistics) == 48 &&
                                      sizeof(soniq_session_statistics) == 64 && sizeof(soniq_state_info) == 112 &&
                                      sizeof(soniq_sequence_options) == 24 && sizeof(soniq_decoder_options) == 80 &&
                                      sizeof(soniq_decoder_item) == 32 && sizeof(soniq_sampler_options) == 72 && sizeof(soniq_token_bias) == 8 &&
                                      sizeof(soniq_matrix_info) == 48),
              "a struct of version 1 changed its size");
static_assert(offsetof(soniq_session_options, size_limits) == 24 &&
                  offsetof(soniq_session_options, workspace) == 32 && offsetof(soniq_tensor, data) == 16 &&
                  offsetof(soniq_tensor, dimensions) == 32 && offsetof(soniq_tensor_info, usual_dimensions) == 216,
              "a field of version 1 moved");

int main() {
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  soniq_matrix_options matrix = SONIQ_MATRIX_OPTIONS_INIT;
  return options.abi_version != SONIQ_ABI_VERSION || matrix.level_count != 0 ||
         soniq_abi_version() != SONIQ_ABI_VERSION;
}
