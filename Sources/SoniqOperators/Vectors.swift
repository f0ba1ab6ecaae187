// Loops over neighbouring floats, eight at a time. Loads come before stores, so that input and output may be the
// same memory. Each element is computed alone: where a loop begins changes no bit.

typealias Floats = SIMD8<Float>

@inline(__always)
func load(_ pointer: UnsafePointer<Float>) -> Floats {
  UnsafeRawPointer(pointer).loadUnaligned(as: Floats.self)
}

@inline(__always)
func store(_ value: Floats, _ pointer: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: Floats.self)
}

/// The first `count` (0...7) elements, 0 in the other lanes.
func load(_ pointer: UnsafePointer<Float>, count: Int) -> Floats {
  var value = Floats.zero
  withUnsafeMutableBytes(of: &value) { lanes in
    lanes.baseAddress?.copyMemory(from: pointer, byteCount: count &* 4)
  }
  return value
}

func store(_ value: Floats, _ pointer: UnsafeMutablePointer<Float>, count: Int) {
  withUnsafeBytes(of: value) { lanes in
    if let start = lanes.baseAddress {
      UnsafeMutableRawPointer(pointer).copyMemory(from: start, byteCount: count &* 4)
    }
  }
}

/// output = function(left, right); a step of 0 repeats the operand's first element, 1 goes on.
@inline(__always)
func mapPairs(
  _ output: UnsafeMutablePointer<Float>, _ left: UnsafePointer<Float>, _ leftStep: Int,
  _ right: UnsafePointer<Float>, _ rightStep: Int, _ count: Int, _ function: (Floats, Floats) -> Floats
) {
  var a = Floats(repeating: left[0])
  var b = Floats(repeating: right[0])
  var position = 0
  while position < count {
    let rest = count &- position
    if rest >= 8 {
      if leftStep != 0 { a = load(left + position) }
      if rightStep != 0 { b = load(right + position) }
      store(function(a, b), output + position)
    } else {
      if leftStep != 0 { a = load(left + position, count: rest) }
      if rightStep != 0 { b = load(right + position, count: rest) }
      store(function(a, b), output + position, count: rest)
    }
    position &+= 8
  }
}

/// output = function(output, input).
@inline(__always)
func accumulate(
  _ output: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ count: Int,
  _ function: (Floats, Floats) -> Floats
) {
  mapPairs(output, UnsafePointer(output), 1, input, 1, count, function)
}

func addRun(_ output: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ count: Int) {
  accumulate(output, input, count) { $0 + $1 }
}

/// The larger of each pair; what is in the output already when they do not compare.
func maximizeRun(_ output: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ count: Int) {
  accumulate(output, input, count) { $0.replacing(with: $1, where: $1 .> $0) }
}

/// output += factor * input, rounded twice.
func addScaledRun(
  _ output: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ factor: Float, _ count: Int
) {
  let factors = Floats(repeating: factor)
  accumulate(output, input, count) { $0 + factors * $1 }
}

func divideRun(_ output: UnsafeMutablePointer<Float>, by divisor: Float, _ count: Int) {
  withUnsafePointer(to: divisor) { divisor in
    mapPairs(output, UnsafePointer(output), 1, divisor, 0, count) { $0 / $1 }
  }
}

func fillRun(_ output: UnsafeMutablePointer<Float>, _ value: Float, _ count: Int) {
  output.update(repeating: value, count: count)
}

/// Copies elements of 4 bytes.
@inline(__always)
func copyRun(_ output: UnsafeMutableRawPointer, _ input: UnsafeRawPointer, _ count: Int) {
  output.copyMemory(from: input, byteCount: count &* 4)
}
