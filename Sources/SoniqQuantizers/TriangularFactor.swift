/// The upper triangular U with inverse(H) = U^T U for the damped second moments H in a given channel
/// order: what error compensation needs.
///
/// With J the reversal of the order, J H J = L L^T gives U = J inverse(L) J: one Cholesky factorisation and
/// one triangular inverse, both in double precision.
package struct TriangularFactor: Sendable {
  package let size: Int
  /// float32, row-major [size][size], rows from their diagonal on.
  package let elements: [Float]

  /// * order: sorted position -> channel.
  /// * damping: added to the diagonal, as a part of its mean.
  ///
  /// Returns nil when the damped matrix is not positive definite to working precision.
  package init?(_ moments: SecondMoments, order: [Int], damping: Float) {
    let size = order.count
    guard size > 0, order.allSatisfy({ $0 >= 0 && $0 < moments.channels }) else { return nil }
    let mean = order.reduce(0.0) { $0 + Double(moments.mean($1, $1)) } / Double(size)
    let added = max(mean, 1e-12) * Double(damping)
    var lower = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      let channel = order[size - 1 - row]
      for column in 0...row {
        lower[row * size + column] = Double(moments.mean(channel, order[size - 1 - column]))
      }
      lower[row * size + row] += added
    }
    let factored = lower.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.map { Self.factor($0, size) && Self.invert($0, size) } ?? false
    }
    guard factored else { return nil }
    self.size = size
    elements = [Float](unsafeUninitializedCapacity: size * size) { upper, count in
      for row in 0..<size {
        let source = (size - 1 - row) * size
        for column in 0..<size {
          upper[row * size + column] = column < row ? 0 : Float(lower[source + size - 1 - column])
        }
      }
      count = size * size
    }
  }

  /// Overwrites the lower triangle of A by L with A = L L^T, row by row.
  private static func factor(_ matrix: UnsafeMutablePointer<Double>, _ size: Int) -> Bool {
    for row in 0..<size {
      let current = matrix + row * size
      for column in 0..<row {
        let other = matrix + column * size
        current[column] = (current[column] - dot(current, other, column)) / other[column]
      }
      let pivot = current[row] - dot(current, current, row)
      guard pivot > 0, pivot.isFinite else { return false }
      current[row] = pivot.squareRoot()
    }
    return true
  }

  /// Overwrites the lower triangle L by its inverse, row by row: row i of the inverse needs the rows of the
  /// inverse before it.
  private static func invert(_ matrix: UnsafeMutablePointer<Double>, _ size: Int) -> Bool {
    var result = [Double](repeating: 0, count: size)
    return result.withUnsafeMutableBufferPointer { buffer -> Bool in
      guard let sum = buffer.baseAddress else { return false }
      for row in 0..<size {
        let current = matrix + row * size
        for column in 0...row { sum[column] = 0 }
        for inner in 0..<row { subtract(matrix + inner * size, times: current[inner], from: sum, inner + 1) }
        let reciprocal = 1 / current[row]
        guard reciprocal.isFinite else { return false }
        for column in 0..<row { current[column] = sum[column] * reciprocal }
        current[row] = reciprocal
      }
      return true
    }
  }

  @inline(__always)
  private static func dot(_ left: UnsafePointer<Double>, _ right: UnsafePointer<Double>, _ count: Int)
    -> Double
  {
    var sums = SIMD8<Double>(repeating: 0)
    var index = 0
    while index + 8 <= count {
      sums +=
        UnsafeRawPointer(left + index).loadUnaligned(as: SIMD8<Double>.self)
        * UnsafeRawPointer(right + index).loadUnaligned(as: SIMD8<Double>.self)
      index += 8
    }
    var sum = sums.sum()
    while index < count {
      sum += left[index] * right[index]
      index += 1
    }
    return sum
  }

  @inline(__always)
  private static func subtract(
    _ row: UnsafePointer<Double>, times factor: Double, from sum: UnsafeMutablePointer<Double>, _ count: Int
  ) {
    var index = 0
    while index + 8 <= count {
      let place = UnsafeMutableRawPointer(sum + index)
      let values = UnsafeRawPointer(row + index).loadUnaligned(as: SIMD8<Double>.self)
      place.storeBytes(
        of: place.loadUnaligned(as: SIMD8<Double>.self) - values * factor, as: SIMD8<Double>.self)
      index += 8
    }
    while index < count {
      sum[index] -= row[index] * factor
      index += 1
    }
  }
}
