import SoniqFormat
import SoniqGraph
import SoniqText

/// What the files of a model say of its tokenizer.
enum FoundTokenizer {
  case tokenizer(TokenizerDescription)
  case none
  /// One that is not known here: why, in words.
  case unknown(String)
}

extension ImportedModel {
  mutating func add(_ found: FoundTokenizer) {
    switch found {
    case .tokenizer(let tokenizer): description.setTokenizer(tokenizer)
    case .none: break
    case .unknown(let reason):
      remarks.append("the packed file has no tokenizer: \(reason)")
      description.metadata.append((MetadataKey.tokenizerLeftOut, .text(reason)))
    }
  }
}
