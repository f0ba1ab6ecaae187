import SoniqCore
import SoniqGraph

/// The weights of a decoder in a GGUF file.
struct GGUFWeights: DecoderWeights {
  private let model: GGUFModel
  private let matrices: GGUFMatrices
  /// The tensors that were asked for.
  private(set) var used: Set<String> = []

  init(_ model: GGUFModel, _ matrices: GGUFMatrices) { (self.model, self.matrices) = (model, matrices) }

  func shape(_ name: String) -> [Int]? { model.tensors[name + ".weight"]?.shape }

  func hasBias(_ name: String) -> Bool { model.tensors[name + ".bias"] != nil }

  func fault(_ name: String, _ message: String) -> PackError {
    if let tensor = model.tensors[name + ".weight"] { return tensor.fault(message) }
    return PackError(.data, file: model.path, place: "tensor \(name).weight", message)
  }

  private mutating func tensor(_ name: String) throws(PackError) -> GGUFTensor {
    guard let tensor = model.tensors[name] else {
      throw PackError(.data, file: model.path, place: "tensor \(name)", "missing")
    }
    used.insert(name)
    return tensor
  }

  mutating func matrix(_ name: String, rows: Range<Int>) throws(PackError) -> Constant {
    let tensor = try tensor(name + ".weight")
    guard tensor.shape.count == 2, rows.upperBound <= tensor.shape[0], !rows.isEmpty else {
      throw tensor.fault("shape \(tensor.shape), expected a matrix of \(rows.upperBound) rows or more")
    }
    guard let bias = model.tensors[name + ".bias"] else {
      return try matrices.matrix(tensor, rows: rows, bias: nil, isOfWords: DecoderPart.isOfWords(name))
    }
    used.insert(bias.name)
    let numbers = try Self.numbers(bias, count: tensor.shape[0])
    return try matrices.matrix(
      tensor, rows: rows, bias: Array(numbers[rows]), isOfWords: DecoderPart.isOfWords(name))
  }

  mutating func factor(_ name: String) throws(PackError) -> Float? {
    try numbers(name + ".scale", count: 1)?.first
  }

  mutating func table(_ name: String) throws(PackError) -> Constant {
    try matrices.table(try tensor(name + ".weight"))
  }

  mutating func vector(_ name: String, count: Int) throws(PackError) -> [Float] {
    try Self.numbers(try tensor(name + ".weight"), count: count)
  }

  /// One row of real numbers.
  private static func numbers(_ tensor: GGUFTensor, count: Int) throws(PackError) -> [Float] {
    guard tensor.shape.reduce(1, { checkedProduct($0, $1) ?? 0 }) == count, tensor.shape.last == count else {
      throw tensor.fault("shape \(tensor.shape), expected [\(count)]")
    }
    let buffer = AlignedBuffer(byteCount: count * 4)
    let floats = buffer.bound(to: Float.self)
    try GGUFRows(tensor).read(0, into: floats)
    return Array(floats)
  }

  /// Numbers of the angles, which have no layer; nil where there are none.
  mutating func numbers(_ name: String, count: Int) throws(PackError) -> [Float]? {
    guard model.tensors[name] != nil else { return nil }
    return try Self.numbers(try tensor(name), count: count)
  }

  /// Tensors of which nothing was made; those that older files repeat are none.
  var unused: [String] {
    model.tensors.keys.filter { !used.contains($0) && !$0.hasSuffix("attn_rot_embd.weight") }.sorted()
  }
}
