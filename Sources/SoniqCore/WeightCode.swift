/// How an integer code stands for a number.
///
/// - bipolar, p bits (1...7): code q is the odd integer 2q - (2^p - 1); there is no zero. It nests:
///   q >> (p - r) is the nearest r-bit code at the same scale.
/// - affine, p bits (1...8): code q is the integer q - zero.
/// - codebook, p bits (1...4): code q is entry q of a list of signed bytes. Of weights only.
/// - symmetric, p bits (2...8): the code is the integer itself, in -(2^(p-1) - 1)...2^(p-1) - 1. Of activations only.
package enum CodeKind: UInt8, Sendable, Hashable, BitwiseCopyable, CaseIterable {
  case bipolar = 1
  case affine = 2
  case codebook = 3
  case symmetric = 4

  /// The bit widths this kind of code may have.
  package var bitRange: ClosedRange<Int> {
    switch self {
    case .bipolar: 1...7
    case .affine: 1...8
    case .codebook: 1...4
    case .symmetric: 2...8
    }
  }
  /// Of all versions of the format, on both sides.
  package var isPlain: Bool { self == .bipolar || self == .affine }
  /// May be that of weights, or of activations.
  package var isOfWeights: Bool { self != .symmetric }
  package var isOfActivations: Bool { self != .codebook }
}

/// The code of one side (weights) of a level.
package struct WeightCode: Sendable, Hashable, BitwiseCopyable {
  package var kind: CodeKind
  /// In `kind.bitRange`.
  package var bits: Int
  /// Affine only: the code of the number 0, in 0...(2^bits - 1). 0 for other codes.
  package var zero: Int
  /// How the codes lie in tiles.
  package var layout: WeightLayout
  /// Codebook only: the integer of each code, 0 behind the last one. 0 for other codes.
  package var codebook: SIMD16<Int8>

  /// * layout: that of so many bits when nil.
  package init(kind: CodeKind, bits: Int, zero: Int = 0, layout: WeightLayout? = nil) {
    self.kind = kind
    self.bits = bits
    self.zero = zero
    self.layout = layout ?? WeightLayout(bits: bits)
    codebook = SIMD16(repeating: 0)
  }

  package static func bipolar(_ bits: Int, layout: WeightLayout? = nil) -> WeightCode {
    WeightCode(kind: .bipolar, bits: bits, layout: layout)
  }
  /// Affine with the zero in the middle: signed integers.
  package static func symmetric(_ bits: Int, layout: WeightLayout? = nil) -> WeightCode {
    WeightCode(kind: .affine, bits: bits, zero: 1 << (bits - 1), layout: layout)
  }
  /// * entries: 2, 4, 8 or 16 integers; what is missing is 0.
  /// * layout: nibbles or planes.
  package static func codebook(_ entries: [Int8], layout: WeightLayout = .nibbles) -> WeightCode {
    var bits = 1
    while bits < 4, 1 << bits < entries.count { bits += 1 }
    var code = WeightCode(kind: .codebook, bits: bits, layout: layout)
    for (index, entry) in entries.prefix(16).enumerated() { code.codebook[index] = entry }
    return code
  }

  package var isValid: Bool {
    guard kind.isOfWeights, kind.bitRange.contains(bits), layout.bitRange.contains(bits) else { return false }
    guard kind == .affine ? (0..<codeCount).contains(zero) : zero == 0 else { return false }
    guard kind == .codebook else { return codebook == SIMD16(repeating: 0) }
    return layout.holdsCodebooks && (codeCount..<16).allSatisfy { codebook[$0] == 0 }
  }
  /// The bits that kernels which take the layout are told: in nibbles 4, in bytes those of the codes from 5 on.
  package var kernelBits: Int {
    switch layout {
    case .bytes: max(5, kind == .codebook ? 8 : bits)
    case .unsignedBytes: 8
    case .nibbles: 4
    case .planes: bits
    }
  }
  /// Needs no field of version 3 of the format.
  package var isPlain: Bool { kind != .codebook && layout == WeightLayout(bits: bits) }
  package var codeCount: Int { 1 << bits }
  /// The integer of a code, which is below `codeCount`: 2q - (2^p - 1), q - zero, or an entry of the codebook.
  package func integer(_ code: Int) -> Int {
    switch kind {
    case .bipolar: 2 * code - (codeCount - 1)
    case .affine: code - zero
    case .codebook: Int(codebook[code & 15])
    case .symmetric: code
    }
  }
  /// Bytes hold 8 bits signed: what is stored is the code less this.
  package var storedBias: Int { bits == 8 && layout == .bytes ? 128 : 0 }
  /// What a code counts in sums of stored weights: an entry of the codebook, else what is stored.
  package func stored(_ code: Int) -> Int { kind == .codebook ? integer(code) : code - storedBias }
  /// integer = storedMultiplier * stored - storedConstant
  package var storedMultiplier: Int { kind == .bipolar ? 2 : 1 }
  package var storedConstant: Int {
    switch kind {
    case .bipolar: codeCount - 1
    case .affine: zero - storedBias
    case .codebook, .symmetric: 0
    }
  }
  /// The largest absolute integer of the code.
  package var maximumMagnitude: Int {
    kind == .codebook
      ? (0..<codeCount).reduce(0) { max($0, abs(integer($1))) }
      : max(abs(integer(0)), abs(integer(codeCount - 1)))
  }
  /// The largest absolute value of `stored`.
  package var maximumStored: Int {
    kind == .codebook ? maximumMagnitude : max(storedBias, codeCount - 1 - storedBias)
  }
}

/// How the codes of weights lie in tiles of 64 bytes; see docs/format.md.
package enum WeightLayout: UInt8, Sendable, Hashable, BitwiseCopyable, CaseIterable {
  case bytes = 1
  case nibbles = 2
  case planes = 3
  /// Bytes that hold 8 bits as they are: for activations that are signed themselves.
  case unsignedBytes = 4

  /// The one that versions 1 and 2 of the format have for so many bits.
  package init(bits: Int) {
    switch bits {
    case 8: self = .bytes
    case 4: self = .nibbles
    default: self = .planes
    }
  }
  /// The bits of codes that it can hold.
  package var bitRange: ClosedRange<Int> {
    switch self {
    case .bytes: 1...8
    case .nibbles: 1...4
    case .planes: 1...7
    case .unsignedBytes: 5...8
    }
  }
  /// Bytes hold integers themselves: a list of them gains nothing there.
  package var holdsCodebooks: Bool { self == .nibbles || self == .planes }
  /// Channels of one 64-byte tile.
  package var tileChannels: Int {
    switch self {
    case .bytes, .unsignedBytes: 4
    case .nibbles: 8
    case .planes: 32
    }
  }
}

/// Output rows that share a 64-byte tile.
package let panelOutputs = 16
