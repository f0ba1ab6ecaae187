import SoniqCore
import SoniqGraph

/// Rounds rows of real numbers to codes with a scale for each 32 channels: at 8 bits symmetric ones, below with a
/// minimum, of the range that gives the least squared error of a few.
struct GroupRounding: Sendable, Hashable {
  /// 2 to 8.
  let bits: Int

  static let bitRange = GroupForm.bitRange
  /// Parts of a group's range that are tried, all of it first.
  private static let ranges: [Float] = [1, 0.96, 0.92, 0.88, 0.84, 0.8]

  private var isSymmetric: Bool { bits == 8 }
  private var largest: Float { Float((1 << bits) - 1) }

  var form: GroupForm { GroupForm(bits: bits) }
  var layout: GroupedLayout { form.layout(.float16) }

  /// - Returns: the first channel of a group that no binary16 scale and minimum can hold, or nil.
  func round(
    _ row: UnsafeBufferPointer<Float>, _ codes: UnsafeMutablePointer<UInt8>, _ numbers: GroupNumbers
  ) -> Int? {
    let length = form.length
    var begin = 0
    while begin < row.count {
      let group = UnsafeBufferPointer(rebasing: row[begin..<min(row.count, begin + length)])
      let (scale, offset) = isSymmetric ? symmetric(group) : best(group)
      guard scale.isFinite, offset.isFinite else { return begin }
      let place = begin / length
      (numbers.scales[place], numbers.offsets[place]) = (scale, offset)
      for (index, number) in group.enumerated() {
        codes[begin + index] = UInt8(code(number, scale, offset))
      }
      begin += length
    }
    return nil
  }

  /// 0...largest, whatever the numbers.
  private func code(_ number: Float, _ scale: Float, _ offset: Float) -> Float {
    let zero: Float = isSymmetric ? 128 : 0
    guard scale > 0 else { return zero }
    let code = ((number - offset) / scale).rounded(.toNearestOrEven) + zero
    // A difference that no float holds, by a scale below all others.
    return code.isNaN ? zero : min(max(code, 0), largest)
  }

  private static func half(_ number: Float) -> Float { Binary16.value(Binary16.bits(number)) }

  private func symmetric(_ group: UnsafeBufferPointer<Float>) -> (scale: Float, offset: Float) {
    (Self.half(group.reduce(0) { max($0, $1.magnitude) } / 127), 0)
  }

  /// Not finite where the group has numbers beyond binary16.
  private func best(_ group: UnsafeBufferPointer<Float>) -> (scale: Float, offset: Float) {
    let (low, high) = group.reduce((Float.infinity, -Float.infinity)) { (min($0.0, $1), max($0.1, $1)) }
    let middle = low / 2 + high / 2
    var best: (scale: Float, offset: Float, error: Float) = (.infinity, 0, .infinity)
    for part in Self.ranges {
      let offset = Self.half(middle - (middle - low) * part)
      let top = middle + (high - middle) * part
      // From the minimum as it is stored to the top.
      let scale = Self.half(max(0, top - offset) / largest)
      guard scale.isFinite, offset.isFinite else { continue }
      let error = group.reduce(Float(0)) { sum, number in
        let difference = offset + code(number, scale, offset) * scale - number
        return sum + difference * difference
      }
      if error < best.error || best.scale == .infinity { best = (scale, offset, error) }
    }
    return (best.scale, best.offset)
  }
}
