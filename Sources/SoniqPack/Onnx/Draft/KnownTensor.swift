import SoniqCore
import SoniqGraph

/// A tensor whose elements are known while importing.
struct KnownTensor: Sendable {
  enum Elements: Sendable {
    case floats([Float])
    case integers([Int64])
    /// Integers of which some depend on dynamic sizes.
    case sizes([Extent])

    var count: Int {
      switch self {
      case .floats(let list): list.count
      case .integers(let list): list.count
      case .sizes(let list): list.count
      }
    }
  }
  /// As in ONNX: empty for a scalar; sizes may be 0.
  var shape: [Int]
  var type: OnnxType
  var elements: Elements
  /// Floats made of codes: what one code stands for.
  var grid: CodeGrid?
  /// Likewise, with a scale for each block.
  var blocks: StatedBlocks?

  init(shape: [Int], type: OnnxType, elements: Elements, grid: CodeGrid? = nil) {
    self.shape = shape
    self.type = type
    self.elements = elements
    self.grid = grid
  }

  init(floats: [Float], shape: [Int]) { self.init(shape: shape, type: .float32, elements: .floats(floats)) }
  init(integers: [Int64], shape: [Int]) {
    self.init(shape: shape, type: .int64, elements: .integers(integers))
  }
  init(scalar: Float) { self.init(floats: [scalar], shape: []) }

  var count: Int { elements.count }
  var isFloat: Bool { if case .floats = elements { true } else { false } }
  var elementType: ElementType { isFloat ? .float32 : .int32 }

  var floats: [Float]? { if case .floats(let list) = elements { list } else { nil } }
  /// nil when they are floats or depend on dynamic sizes.
  var integers: [Int64]? { if case .integers(let list) = elements { list } else { nil } }
  var extents: [Extent]? {
    switch elements {
    case .floats: nil
    case .integers(let list): list.map { Extent(Int($0)) }
    case .sizes(let list): list
    }
  }
  /// The one element of a tensor of one element.
  var scalar: Float? { count == 1 ? floats?.first : nil }
  /// The number that all elements are.
  var uniform: Float? {
    guard let floats, let first = floats.first, floats.allSatisfy({ $0 == first }) else { return nil }
    return first
  }
}

extension KnownTensor {
  /// The bits of its numbers in a narrow type (float16, int8 or uint8); nil when that does not hold them all. No file holds
  /// NaN.
  func narrow(_ type: ElementType) -> [UInt16]? {
    let bits: [UInt16]
    if let floats {
      bits = floats.compactMap { number in
        if type == .float16 {
          let half = Binary16.bits(number)
          return !number.isNaN && Binary16.value(half).bitPattern == number.bitPattern ? half : nil
        }
        // -0 is no whole number.
        return number.bitPattern == Float.zero.bitPattern || number != 0
          ? Int64(exactly: number).flatMap { Self.narrow($0, type) } : nil
      }
    } else {
      bits = integers?.compactMap { Self.narrow($0, type) } ?? []
    }
    return bits.count == count ? bits : nil
  }

  private static func narrow(_ number: Int64, _ type: ElementType) -> UInt16? {
    switch type {
    case .int8: Int8(exactly: number).map { UInt16(UInt8(bitPattern: $0)) }
    case .uint8: UInt8(exactly: number).map { UInt16($0) }
    case .float32, .int32, .float16: nil
    }
  }
}

/// Codes and scales of weights that a QDQ model states: real = scale * (code - zero).
struct CodeGrid: Sendable, Hashable {
  /// One, or one for each index of `axis`.
  var scales: [Float]
  var zeros: [Int]
  var axis: Int?
  /// Codes are signed.
  var isSigned: Bool
  /// Of a code; layers keep those of 8.
  var bits = 8
  /// The code of what the weights are multiplied with, where the model states one.
  var activation: ActivationGrid?

  var range: ClosedRange<Float> {
    let count = Float(1 << bits)
    return isSigned ? -count / 2...count / 2 - 1 : 0...count - 1
  }
}

/// The most elements that the importer computes itself.
let maximumKnownElements = 1 << 26
