/// softmax(q k^T * scale) v of every head.
package struct Attention: Sendable, Hashable {
  package var heads: Int
  package var scale: Float
  package var precision: AttentionPrecision
  /// A position sees the keys up to its own only.
  package var isCausal: Bool

  package init(heads: Int, scale: Float, precision: AttentionPrecision = .float32, isCausal: Bool = false) {
    self.heads = heads
    self.scale = scale
    self.precision = precision
    self.isCausal = isCausal
  }
}

/// Arithmetic of the two products of attention (docs/numerics.md).
package enum AttentionPrecision: UInt8, Sendable, Hashable {
  case float32 = 1
  case int8 = 2
}
