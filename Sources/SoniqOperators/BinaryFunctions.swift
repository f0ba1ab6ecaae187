import SoniqGraph

/// output = function(left, right) of floats; comparisons give int32. A step is 0 or 1.
func floatRun(
  _ function: BinaryFunction, _ output: UnsafeMutablePointer<Float>, _ left: UnsafePointer<Float>,
  _ leftStep: Int, _ right: UnsafePointer<Float>, _ rightStep: Int, _ count: Int
) {
  switch function {
  case .add: mapPairs(output, left, leftStep, right, rightStep, count) { $0 + $1 }
  case .subtract: mapPairs(output, left, leftStep, right, rightStep, count) { $0 - $1 }
  case .multiply: mapPairs(output, left, leftStep, right, rightStep, count) { $0 * $1 }
  case .divide: mapPairs(output, left, leftStep, right, rightStep, count) { $0 / $1 }
  case .minimum:
    mapPairs(output, left, leftStep, right, rightStep, count) { a, b in
      b.replacing(with: a, where: (a .< b) .| (a .!= a))
    }
  case .maximum:
    mapPairs(output, left, leftStep, right, rightStep, count) { a, b in
      b.replacing(with: a, where: (a .> b) .| (a .!= a))
    }
  case .prelu:
    mapPairs(output, left, leftStep, right, rightStep, count) { x, slope in
      x.replacing(with: slope * x, where: x .< Floats.zero)
    }
  case .power:
    for position in 0..<count {
      output[position] = power(left[position &* leftStep], right[position &* rightStep])
    }
  case .equal: mapPairs(output, left, leftStep, right, rightStep, count) { truth($0 .== $1) }
  case .less: mapPairs(output, left, leftStep, right, rightStep, count) { truth($0 .< $1) }
  case .lessOrEqual: mapPairs(output, left, leftStep, right, rightStep, count) { truth($0 .<= $1) }
  case .greater: mapPairs(output, left, leftStep, right, rightStep, count) { truth($0 .> $1) }
  case .greaterOrEqual: mapPairs(output, left, leftStep, right, rightStep, count) { truth($0 .>= $1) }
  case .remainder:
    for position in 0..<count {
      output[position] = left[position &* leftStep].truncatingRemainder(
        dividingBy: right[position &* rightStep])
    }
  case .and, .or, .xor, .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight: return  // Of int32 only.
  }
}

/// The bits of int32 1 or 0.
@inline(__always)
private func truth(_ mask: SIMDMask<SIMD8<Int32>>) -> Floats {
  unsafeBitCast(truth(mask) as SIMD8<Int32>, to: Floats.self)
}

@inline(__always)
private func truth(_ mask: SIMDMask<SIMD8<Int32>>) -> SIMD8<Int32> {
  SIMD8<Int32>.zero.replacing(with: 1, where: mask)
}

/// The same of int32. The common functions are done by vectors.
func integerRun(
  _ function: BinaryFunction, _ output: UnsafeMutablePointer<Int32>, _ left: UnsafePointer<Int32>,
  _ leftStep: Int, _ right: UnsafePointer<Int32>, _ rightStep: Int, _ count: Int
) {
  switch function {
  case .add: mapIntegers(output, left, leftStep, right, rightStep, count) { $0 &+ $1 }
  case .subtract: mapIntegers(output, left, leftStep, right, rightStep, count) { $0 &- $1 }
  case .multiply: mapIntegers(output, left, leftStep, right, rightStep, count) { $0 &* $1 }
  case .equal: mapIntegers(output, left, leftStep, right, rightStep, count) { truth($0 .== $1) }
  case .less: mapIntegers(output, left, leftStep, right, rightStep, count) { truth($0 .< $1) }
  case .lessOrEqual: mapIntegers(output, left, leftStep, right, rightStep, count) { truth($0 .<= $1) }
  case .greater: mapIntegers(output, left, leftStep, right, rightStep, count) { truth($0 .> $1) }
  case .greaterOrEqual: mapIntegers(output, left, leftStep, right, rightStep, count) { truth($0 .>= $1) }
  default:
    for position in 0..<count {
      output[position] = integerResult(function, left[position &* leftStep], right[position &* rightStep])
    }
  }
}

/// The loop over pairs of floats moves bits as they are, so it serves int32 too.
@inline(__always)
private func mapIntegers(
  _ output: UnsafeMutablePointer<Int32>, _ left: UnsafePointer<Int32>, _ leftStep: Int,
  _ right: UnsafePointer<Int32>, _ rightStep: Int, _ count: Int,
  _ function: (SIMD8<Int32>, SIMD8<Int32>) -> SIMD8<Int32>
) {
  mapPairs(
    UnsafeMutableRawPointer(output).assumingMemoryBound(to: Float.self),
    UnsafeRawPointer(left).assumingMemoryBound(to: Float.self), leftStep,
    UnsafeRawPointer(right).assumingMemoryBound(to: Float.self), rightStep, count
  ) { a, b in
    let result = function(
      unsafeBitCast(a, to: SIMD8<Int32>.self), unsafeBitCast(b, to: SIMD8<Int32>.self))
    return unsafeBitCast(result, to: Floats.self)
  }
}

private func integerResult(_ function: BinaryFunction, _ a: Int32, _ b: Int32) -> Int32 {
  switch function {
  // In 64 bits, where the quotient of the smallest number and -1 fits.
  case .divide: b == 0 ? 0 : Int32(truncatingIfNeeded: Int64(a) / Int64(b))
  case .minimum: min(a, b)
  case .maximum: max(a, b)
  case .power: integerPower(a, b)
  case .prelu: 0  // Of float32 only.
  case .add, .subtract, .multiply, .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: 0  // By vectors.
  case .and: a != 0 && b != 0 ? 1 : 0
  case .or: a != 0 || b != 0 ? 1 : 0
  case .xor: (a != 0) != (b != 0) ? 1 : 0
  case .remainder: b == 0 ? 0 : Int32(truncatingIfNeeded: Int64(a) % Int64(b))
  case .bitAnd: a & b
  case .bitOr: a | b
  case .bitXor: a ^ b
  case .shiftLeft: b < 0 ? 0 : a << b
  case .shiftRight: b < 0 || b > 31 ? a >> 31 : a >> b
  }
}

private func integerPower(_ base: Int32, _ exponent: Int32) -> Int32 {
  if exponent < 0 { return base == 1 ? 1 : base == -1 ? (exponent & 1 == 0 ? 1 : -1) : 0 }
  var result: Int32 = 1
  var square = base
  var rest = exponent
  while rest > 0 {
    if rest & 1 != 0 { result = result &* square }
    square = square &* square
    rest >>= 1
  }
  return result
}
