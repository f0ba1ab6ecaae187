/// How an integer code stands for a number.
///
/// - bipolar, p bits (1...7): code q is the odd integer 2q - (2^p - 1); there is no zero. It nests:
///   q >> (p - r) is the nearest r-bit code at the same scale.
/// - affine, p bits (1...8): code q is the integer q - zero.
package enum CodeKind: UInt8, Sendable, Hashable, CaseIterable {
  case bipolar = 1
  case affine = 2

  /// The bit widths this kind of code may have.
  package var bitRange: ClosedRange<Int> { self == .bipolar ? 1...7 : 1...8 }
}

/// The code of one side (weights) of a level.
package struct WeightCode: Sendable, Hashable {
  package var kind: CodeKind
  /// 1...7 (bipolar) or 1...8 (affine).
  package var bits: Int
  /// Affine only: the code of the number 0, in 0...(2^bits - 1). 0 for bipolar codes.
  package var zero: Int

  package init(kind: CodeKind, bits: Int, zero: Int = 0) {
    self.kind = kind
    self.bits = bits
    self.zero = zero
  }

  package static func bipolar(_ bits: Int) -> WeightCode { WeightCode(kind: .bipolar, bits: bits) }
  /// Affine with the zero in the middle: signed integers.
  package static func symmetric(_ bits: Int) -> WeightCode {
    WeightCode(kind: .affine, bits: bits, zero: 1 << (bits - 1))
  }

  package var isValid: Bool {
    kind.bitRange.contains(bits) && (kind == .affine ? (0..<(1 << bits)).contains(zero) : zero == 0)
  }
  package var codeCount: Int { 1 << bits }
  /// The integer of a code: 2q - (2^p - 1) or q - zero.
  package func integer(_ code: Int) -> Int {
    kind == .bipolar ? 2 * code - (codeCount - 1) : code - zero
  }
  /// What is stored in a tile for a code: signed (code - 128) for 8 bits, the code itself below.
  package func stored(_ code: Int) -> Int { bits == 8 ? code - 128 : code }
  /// integer = storedMultiplier * stored - storedConstant
  package var storedMultiplier: Int { kind == .bipolar ? 2 : 1 }
  package var storedConstant: Int {
    kind == .bipolar ? codeCount - 1 : (bits == 8 ? zero - 128 : zero)
  }
  /// The largest absolute integer of the code.
  package var maximumMagnitude: Int { max(abs(integer(0)), abs(integer(codeCount - 1))) }
  package var layout: WeightLayout { WeightLayout(bits: bits) }
}

/// The code of one side (activations) of a level and where its scale comes from.
package struct ActivationCode: Sendable, Hashable {
  /// Where the scale of an activation row comes from.
  package enum Scaling: Sendable, Hashable {
    /// Computed from each row while it is quantised.
    case dynamicPerRow
    /// Trained or calibrated; `zero` is the code of 0 (affine) and 0 for bipolar codes.
    case fixed(scale: Float, zero: Int)
  }
  package var kind: CodeKind
  package var bits: Int
  package var scaling: Scaling

  package init(kind: CodeKind, bits: Int, scaling: Scaling = .dynamicPerRow) {
    self.kind = kind
    self.bits = bits
    self.scaling = scaling
  }

  package var isValid: Bool {
    guard kind.bitRange.contains(bits) else { return false }
    guard case .fixed(let scale, let zero) = scaling else { return true }
    let zeroIsValid = kind == .affine ? (0..<(1 << bits)).contains(zero) : zero == 0
    return zeroIsValid && scale.isFinite && scale.isNormal && scale > 0
  }
  package var codeCount: Int { 1 << bits }
  /// The largest absolute integer a code can stand for, whatever its zero.
  package var maximumMagnitude: Int { codeCount - 1 }
  package var multiplier: Int { kind == .bipolar ? 2 : 1 }
}

/// One precision: the codes of weights and activations of a run of input channels.
package struct Level: Sendable, Hashable {
  package var weight: WeightCode
  package var activation: ActivationCode

  package init(weight: WeightCode, activation: ActivationCode) {
    self.weight = weight
    self.activation = activation
  }
  package var isValid: Bool { weight.isValid && activation.isValid }

  /// The deepest run of channels whose dot product cannot leave int32.
  package var maximumChannels: Int {
    Int(Int32.max) / max(1, weight.maximumMagnitude * activation.maximumMagnitude)
  }
}

/// The tile layout that the weight bits determine; see docs/format.md.
package enum WeightLayout: UInt8, Sendable, Hashable {
  case bytes = 1
  case nibbles = 2
  case planes = 3

  package init(bits: Int) {
    switch bits {
    case 8: self = .bytes
    case 4: self = .nibbles
    default: self = .planes
    }
  }
  /// Channels of one 64-byte tile.
  package var tileChannels: Int {
    switch self {
    case .bytes: 4
    case .nibbles: 8
    case .planes: 32
    }
  }
}

/// Output rows that share a 64-byte tile.
package let panelOutputs = 16
