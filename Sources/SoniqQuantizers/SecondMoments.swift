/// The mean of x * x^T over the rows seen by a layer, float32, row-major [channels][channels], symmetric.
package struct SecondMoments: Sendable {
  package let channels: Int
  package private(set) var rowCount = 0
  /// Sums; only the lower triangle in blocks of `tile` columns is kept up to date by `add`.
  private var sums: [Float]
  private static let tile = 16

  package init(channels: Int) {
    self.channels = channels
    sums = [Float](repeating: 0, count: Self.stride(channels) * channels)
  }

  private static func stride(_ channels: Int) -> Int { (channels + tile - 1) / tile * tile }
  private var stride: Int { Self.stride(channels) }

  /// Adds rows: row-major [rows][channels].
  package mutating func add(rows: UnsafePointer<Float>, count: Int) {
    // A block of rows padded to whole tiles, small enough for the first cache levels.
    let blockRows = 64
    var block = [Float](repeating: 0, count: blockRows * stride)
    var begin = 0
    while begin < count {
      let size = min(blockRows, count - begin)
      for row in 0..<size {
        for channel in 0..<channels {
          block[row * stride + channel] = rows[(begin + row) * channels + channel]
        }
      }
      block.withUnsafeBufferPointer { source in
        if let base = source.baseAddress { accumulate(base, rows: size) }
      }
      begin += size
    }
    rowCount += count
  }

  /// sums[i][tile of j] += sum over rows of x[i] * x[j], for tiles that reach the diagonal.
  private mutating func accumulate(_ block: UnsafePointer<Float>, rows: Int) {
    let stride = stride
    sums.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      var first = 0
      while first < channels {
        let second = min(first + 1, channels - 1)
        var column = 0
        while column <= second {
          var upper = SIMD16<Float>(repeating: 0)
          var lower = SIMD16<Float>(repeating: 0)
          var row = 0
          while row < rows {
            let start = block + row * stride
            let values = UnsafeRawPointer(start + column).loadUnaligned(as: SIMD16<Float>.self)
            upper += values * start[first]
            lower += values * start[second]
            row += 1
          }
          Self.add(upper, to: base + first * stride + column)
          if second != first { Self.add(lower, to: base + second * stride + column) }
          column += Self.tile
        }
        first += 2
      }
    }
  }

  private static func add(_ values: SIMD16<Float>, to place: UnsafeMutablePointer<Float>) {
    let raw = UnsafeMutableRawPointer(place)
    raw.storeBytes(of: raw.loadUnaligned(as: SIMD16<Float>.self) + values, as: SIMD16<Float>.self)
  }

  /// The mean product of two channels.
  package func mean(_ first: Int, _ second: Int) -> Float {
    let (row, column) = first >= second ? (first, second) : (second, first)
    return rowCount == 0 ? 0 : sums[row * stride + column] / Float(rowCount)
  }

  /// The mean square of every channel.
  package var meanSquares: [Float] { (0..<channels).map { mean($0, $0) } }
}
