import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

/// A batch of token ids with a mask.
struct TokenBatch {
  var batch: Int
  var sequence: Int
  var ids: [Int32]
  var mask: [Int32]

  init(batch: Int, sequence: Int, vocabulary: Int, masksTails: Bool, using generator: inout SeededGenerator) {
    self.batch = batch
    self.sequence = sequence
    ids = (0..<batch * sequence).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &generator) }
    mask = (0..<batch * sequence).map { index in
      let (entry, position) = (index / sequence, index % sequence)
      let isTail = position > max(0, sequence * 3 / 4 - entry % 3)
      return masksTails && isTail ? 0 : 1
    }
  }
}

extension Session {
  func set(_ index: Int, _ elements: [Int32], _ shape: [Int]) throws {
    try elements.withUnsafeBytes { data in
      try setInput(
        index, data: data.baseAddress, elementType: .int32, shape: shape.map { Int64($0) }, rank: shape.count)
    }
  }

  /// Sets, runs, and returns all outputs one after the other.
  func outputs(of tokens: TokenBatch, withMask: Bool = true) throws -> [[Float]] {
    try set(0, tokens.ids, [tokens.batch, tokens.sequence])
    if withMask { try set(1, tokens.mask, [tokens.batch, tokens.sequence]) } else { try clearInput(1) }
    try run()
    return try model.outputs.indices.map { try floats(output($0)) }
  }

  func floats(_ output: (data: UnsafeRawPointer, shape: [Int])) -> [Float] {
    let count = output.shape.reduce(1, *)
    return Array(
      UnsafeBufferPointer(start: output.data.assumingMemoryBound(to: Float.self), count: count))
  }
}

/// The cosine of the angle between two vectors.
func cosine(_ left: [Float], _ right: [Double]) -> Double {
  let dot = zip(left, right).reduce(0) { $0 + Double($1.0) * $1.1 }
  let lengths =
    left.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    * right.reduce(0) { $0 + $1 * $1 }.squareRoot()
  return dot / lengths
}
