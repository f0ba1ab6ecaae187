// soniq.h needs nothing before it, in C99.
#include <soniq.h>

int main(void) {
  soniq_model_options model = SONIQ_MODEL_OPTIONS_INIT;
  soniq_session_options session = SONIQ_SESSION_OPTIONS_INIT;
  soniq_matrix_options matrix = SONIQ_MATRIX_OPTIONS_INIT;
  soniq_sequence_options sequence = SONIQ_SEQUENCE_OPTIONS_INIT;
  soniq_decoder_options decoder = SONIQ_DECODER_OPTIONS_INIT;
  soniq_sampler_options sampler = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_allocator allocator = SONIQ_ALLOCATOR_INIT;
  soniq_thread_pool pool = SONIQ_THREAD_POOL_INIT;
  soniq_tensor_info info = SONIQ_TENSOR_INFO_INIT;
  soniq_tensor tensor = SONIQ_TENSOR_INIT;
  soniq_metadata metadata = SONIQ_METADATA_INIT;
  soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
  soniq_profile_entry profile = SONIQ_PROFILE_ENTRY_INIT;
  soniq_model_statistics model_statistics = SONIQ_MODEL_STATISTICS_INIT;
  soniq_session_statistics session_statistics = SONIQ_SESSION_STATISTICS_INIT;
  soniq_matrix_info matrix_info = SONIQ_MATRIX_INFO_INIT;
  return (model.abi_version != SONIQ_ABI_VERSION) | (session.struct_size != sizeof session) |
         (sequence.struct_size != sizeof sequence) | (decoder.struct_size != sizeof decoder) |
         (sampler.struct_size != sizeof sampler) | (sampler.allocator != NULL) |
         (matrix.struct_size != sizeof matrix) | (allocator.struct_size != sizeof allocator) |
         (pool.struct_size != sizeof pool) | (info.struct_size != sizeof info) |
         (tensor.struct_size != sizeof tensor) | (metadata.struct_size != sizeof metadata) |
         (report.struct_size != sizeof report) | (profile.struct_size != sizeof profile) |
         (model_statistics.struct_size != sizeof model_statistics) |
         (session_statistics.struct_size != sizeof session_statistics) |
         (matrix_info.struct_size != sizeof matrix_info) | (soniq_abi_version() != SONIQ_ABI_VERSION);
}
