package import SoniqCore

/// Which integers of 8-bit codes weights may have.
package enum WeightRange: Sendable, Hashable {
  case whole
  /// -64...63: two products with 8-bit activations add up in 16 bits, as CPUs without VNNI multiply.
  case half
}

/// The integers of a weight code as a grid for nearest rounding of whole vectors.
///
/// Step m = clamp(rne(x * inverseFactor / scale - shift), low, high); integer v = multiplier * m + addend;
/// code q = m - first. `scale` is the real value of one integer.
package struct WeightGrid: Sendable {
  package let code: WeightCode
  /// The step of code 0.
  private let first: Float
  let low: Float
  let high: Float
  let inverseFactor: Float
  let shift: Float
  let multiplier: Float
  let addend: Float

  package init(_ code: WeightCode, range: WeightRange = .whole) {
    self.code = code
    let half = code.codeCount / 2
    let lowStep = code.kind == .bipolar ? -half : -code.zero
    first = Float(lowStep)
    let isHalved = range == .half && code.bits == 8 && code.kind == .affine
    low = isHalved ? max(first, -64) : first
    high = min(Float(lowStep + code.codeCount - 1), isHalved ? 63 : .infinity)
    inverseFactor = code.kind == .bipolar ? 0.5 : 1
    shift = code.kind == .bipolar ? 0.5 : 0
    multiplier = Float(code.storedMultiplier)
    addend = code.kind == .bipolar ? 1 : 0
  }

  /// Adding and subtracting 1.5 * 2^23 rounds to the nearest even integer.
  private static let roundingMagic: Float = 12_582_912

  /// The code nearest to `value`. NaN gives the lowest code; the scale must be positive and normal.
  @inline(__always)
  package func nearestCode(_ value: Float, scale: Float) -> UInt8 {
    let step = value * (inverseFactor / scale) - shift
    let clamped = step > low ? (step < high ? step : high) : low
    return UInt8((clamped + Self.roundingMagic) - Self.roundingMagic - first)
  }

  /// The integer of a code.
  @inline(__always)
  package func integer(_ code: UInt8) -> Float { (Float(code) + first) * multiplier + addend }

  /// The integers at the ends.
  var lowest: Float { low * multiplier + addend }
  var highest: Float { high * multiplier + addend }

  @inline(__always)
  func integers(_ values: SIMD8<Float>, inverse: Float) -> SIMD8<Float> {
    var step = values * inverse - shift
    step.replace(with: SIMD8(repeating: high), where: step .> high)
    step.replace(with: SIMD8(repeating: low), where: .!(step .>= SIMD8(repeating: low)))
    let magic = SIMD8<Float>(repeating: Self.roundingMagic)
    return ((step + magic) - magic) * multiplier + addend
  }
}

/// What a scale does to a row: the sums that give its error and the best scale for the same codes.
struct RoundingSums {
  /// sum of importance * (x - scale * v)^2
  var error: Float = 0
  /// sum of importance * x * v
  var cross: Float = 0
  /// sum of importance * v * v
  var power: Float = 0
}

extension WeightGrid {
  /// Rounds a row at a scale. `row` and `importance` hold `count` readable floats, a multiple of 8
  /// (importance 0 in the padding).
  func roundingSums(
    _ row: UnsafePointer<Float>, _ importance: UnsafePointer<Float>, count: Int, scale: Float
  ) -> RoundingSums {
    let inverse = inverseFactor / scale
    var error = SIMD8<Float>(repeating: 0)
    var cross = SIMD8<Float>(repeating: 0)
    var power = SIMD8<Float>(repeating: 0)
    var index = 0
    while index < count {
      let values = UnsafeRawPointer(row + index).loadUnaligned(as: SIMD8<Float>.self)
      let weights = UnsafeRawPointer(importance + index).loadUnaligned(as: SIMD8<Float>.self)
      let rounded = integers(values, inverse: inverse)
      let difference = values - rounded * scale
      error += weights * difference * difference
      cross += weights * values * rounded
      power += weights * rounded * rounded
      index += 8
    }
    return RoundingSums(error: error.sum(), cross: cross.sum(), power: power.sum())
  }
}
