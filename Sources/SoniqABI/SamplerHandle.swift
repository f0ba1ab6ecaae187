import CSoniq
import SoniqDecoding
import SoniqMemory

/// Behind a soniq_sampler.
final class SamplerHandle: ExclusiveHandle {
  override class var tag: UInt64 { 0x0172_656c_706d_6173 }  // "sampler\1"
  override class var name: String { "sampler" }

  let sampler: Sampler

  init(vocabulary: UInt32, _ options: soniq_sampler_options) throws(Failure) {
    guard options.reserved == 0 else { throw .argument("reserved", "is not 0") }
    let allocator = try AllocatorHooks.read(options.allocator)
    let converted = try SamplerOptions(options, vocabulary: vocabulary)
    do throws(SamplerError) {
      sampler = try Sampler(vocabulary: Int(vocabulary), options: converted, allocator: allocator)
    } catch { throw Failure(error) }
    super.init()
  }
}

extension SamplerOptions {
  fileprivate init(_ options: soniq_sampler_options, vocabulary: UInt32) throws(Failure) {
    self.init()
    seed = options.seed
    temperature = options.temperature
    topK = Int(options.top_k)
    minP = options.min_p
    if options.top_p != 0 { topP = options.top_p }
    if options.repetition_penalty != 0 { repetitionPenalty = options.repetition_penalty }
    frequencyPenalty = options.frequency_penalty
    presencePenalty = options.presence_penalty
    if options.penalty_window != 0 { penaltyWindow = Int(options.penalty_window) }
    guard options.bias_count > 0 else { return }
    guard options.bias_count <= vocabulary else {
      throw .argument("bias_count", "is \(options.bias_count), more than there are tokens")
    }
    guard let entries = options.biases else { throw .null("biases") }
    guard UInt(bitPattern: entries) % 4 == 0 else { throw .argument("biases", "is not aligned") }
    biases = (0..<Int(options.bias_count)).map {
      TokenBias(token: entries[$0].token, bias: entries[$0].bias)
    }
  }
}

extension Failure {
  init(_ error: SamplerError) {
    switch error {
    case .vocabularyOutOfRange(let count):
      self = .argument("vocabulary", "is \(count), outside 1...\(Sampler.maximumVocabulary)")
    case .invalidOption(let field, let reason): self = .argument(field, reason)
    case .wrongCount(let actual, let expected):
      self = .argument("count", "is \(actual), but the vocabulary has \(expected) tokens")
    case .notFinite(let token):
      self.init(.data, "the logit of token \(token) is not a finite number", field: "logits")
    case .nothingAllowed: self.init(.data, "allowed has no token of the vocabulary", field: "allowed")
    case .unknownToken(let token, let position):
      self.init(.data, "tokens[\(position)] is \(token), which is none of the vocabulary", field: "tokens")
    case .outOfMemory(let byteCount): self.init(MemoryError.outOfMemory(byteCount: byteCount))
    case .misaligned(let alignment): self.init(MemoryError.misaligned(alignment: alignment))
    }
  }
}
