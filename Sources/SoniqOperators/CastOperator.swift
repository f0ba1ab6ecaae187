import SoniqCore
package import SoniqGraph

extension Cast: TensorOperation {
  package var isElementwise: Bool { true }

  /// The low bits of a byte are the byte.
  package func keepsOrder(_ node: TensorNode) -> Bool {
    let source = node.input(0).elementType
    return source == elementType || source.byteCount == 1 && elementType.byteCount == 1
  }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    if keepsOrder(node) { return node.copy { .init(dimension: $0) } }
    return CastOperator(source: node.input(0).elementType, target: elementType, output: node.outputExtents)
  }
}

package struct CastOperator: TensorOperator {
  package static var entry: TensorEntry { { CastOperator.answer($0, $1) } }
  let source: ElementType
  let target: ElementType
  let output: Extents

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    castElements(
      source, frame.bytes(0) + range.lowerBound &* source.byteCount, target,
      frame.outputBytes + range.lowerBound &* target.byteCount, range.count)
  }
}

/// Casts elements as the operation `Cast` does. The input may lie at any address, the output is aligned to its
/// elements and overlaps the input not at all.
package func castElements(
  _ source: ElementType, _ input: UnsafeRawPointer, _ target: ElementType, _ output: UnsafeMutableRawPointer,
  _ count: Int
) {
  switch source {
  case .float32: castElements(of: Float.self, input, target, output, count)
  case .int32: castElements(of: Int32.self, input, target, output, count)
  case .float16: castElements(of: Half.self, input, target, output, count)
  case .int8: castElements(of: Int8.self, input, target, output, count)
  case .uint8: castElements(of: UInt8.self, input, target, output, count)
  }
}

@inline(__always)
private func castElements<Source: CastElement>(
  of source: Source.Type, _ input: UnsafeRawPointer, _ target: ElementType,
  _ output: UnsafeMutableRawPointer, _ count: Int
) {
  switch target {
  case .float32: castElements(of: Source.self, input, to: Float.self, output, count)
  case .int32: castElements(of: Source.self, input, to: Int32.self, output, count)
  case .float16: castElements(of: Source.self, input, to: Half.self, output, count)
  case .int8: castElements(of: Source.self, input, to: Int8.self, output, count)
  case .uint8: castElements(of: Source.self, input, to: UInt8.self, output, count)
  }
}

@inline(__always)
private func castElements<Source: CastElement, Target: CastElement>(
  of source: Source.Type, _ input: UnsafeRawPointer, to target: Target.Type,
  _ output: UnsafeMutableRawPointer, _ count: Int
) {
  let results = output.assumingMemoryBound(to: Target.self)
  for position in 0..<count {
    let number = input.loadUnaligned(fromByteOffset: position &* MemoryLayout<Source>.size, as: Source.self)
    results[position] =
      Source.isReal || Target.isReal ? Target(casting: number.real) : Target(casting: number.whole)
  }
}

/// A number as casts read and make it.
private protocol CastElement: BitwiseCopyable {
  static var isReal: Bool { get }
  /// The nearest float32, which is the number itself but for large int32.
  var real: Float { get }
  /// The number, for whole ones.
  var whole: Int32 { get }
  init(casting real: Float)
  init(casting whole: Int32)
}

extension Float: CastElement {
  static var isReal: Bool { true }
  var real: Float { self }
  var whole: Int32 { truncated(self) }
  init(casting real: Float) { self = real }
  init(casting whole: Int32) { self = Float(whole) }
}

/// IEEE binary16. Whole numbers become it by way of float32: those that float32 does not hold are infinite here.
private struct Half: CastElement {
  let bits: UInt16
  static var isReal: Bool { true }
  var real: Float { Binary16.value(bits) }
  var whole: Int32 { truncated(real) }
  init(casting real: Float) { bits = Binary16.bits(real) }
  init(casting whole: Int32) { self.init(casting: Float(whole)) }
}

extension CastElement where Self: FixedWidthInteger {
  static var isReal: Bool { false }
  var real: Float { Float(whole) }
  var whole: Int32 { Int32(truncatingIfNeeded: self) }
  init(casting whole: Int32) { self.init(truncatingIfNeeded: whole) }
}

extension Int32: CastElement {
  init(casting real: Float) { self = truncated(real) }
}

extension Int8: CastElement {
  init(casting real: Float) { self.init(truncatingIfNeeded: truncated(real, from: -128, to: 127)) }
}

extension UInt8: CastElement {
  init(casting real: Float) { self.init(truncatingIfNeeded: truncated(real, from: 0, to: 255)) }
}

/// Toward 0, saturated; NaN is 0.
func truncated(_ number: Float) -> Int32 {
  if number >= 0x1p31 { return .max }
  if number <= -0x1p31 { return .min }
  return number.isNaN ? 0 : Int32(number)
}

/// The same for limits within 2^22, without branches: such a number added to 1.5 * 2^23 is the end of its bits.
@inline(__always)
private func truncated(_ number: Float, from low: Float, to high: Float) -> Int32 {
  let magic: Float = 0x1.8p23
  var limited = number == number ? number : 0
  limited = limited < low ? low : limited
  limited = limited > high ? high : limited
  return Int32(bitPattern: (limited.rounded(.towardZero) + magic).bitPattern)
    &- Int32(bitPattern: magic.bitPattern)
}

extension ElementType {
  /// The bits of a number as an element.
  func bits(of number: Float) -> UInt32 {
    var bits: UInt32 = 0
    withUnsafePointer(to: number) { number in
      withUnsafeMutablePointer(to: &bits) { bits in castElements(.float32, number, self, bits, 1) }
    }
    return bits
  }
}
