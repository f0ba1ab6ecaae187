import SoniqCore
package import SoniqGraph

/// Sizes of the images [B,H,W,C] of a run.
struct ImageSize: BitwiseCopyable {
  let height: Int
  let width: Int
  let channels: Int

  init(_ extents: Extents, _ sizes: UnsafePointer<Int>) {
    height = extents.size(1, sizes)
    width = extents.size(2, sizes)
    channels = extents.size(3, sizes)
  }
}

/// Runs of channels of the pixels of an image [B,H,W,C]: what a range of elements is made of.
struct PixelCursor {
  private let size: ImageSize
  private(set) var position: Int
  private(set) var batch: Int
  private(set) var row: Int
  private(set) var column: Int
  private(set) var channel: Int

  init(_ size: ImageSize, at position: Int) {
    self.size = size
    self.position = position
    channel = position % size.channels
    let pixel = position / size.channels
    column = pixel % size.width
    row = pixel / size.width % size.height
    batch = pixel / size.width / size.height
  }

  func count(to end: Int) -> Int { min(size.channels - channel, end - position) }

  mutating func advance(_ count: Int) {
    position &+= count
    channel &+= count
    if channel < size.channels { return }
    channel = 0
    column &+= 1
    if column < size.width { return }
    column = 0
    row &+= 1
    if row < size.height { return }
    row = 0
    batch &+= 1
  }
}

/// Windows over images. The taps of a pixel are taken row by row.
package struct PoolOperator: TensorOperator {
  package static var entry: TensorEntry { { PoolOperator.answer($0, $1) } }
  private let isMaximum: Bool
  private let dividesByAll: Bool
  let window: Window
  /// [B,H,W,C]
  let input: Extents
  let output: Extents

  init(_ function: PoolFunction, _ window: Window, input: Extents, output: Extents) {
    isMaximum = function == .maximum
    dividesByAll = function == .averageOfAllTaps
    self.window = window
    self.input = input
    self.output = output
  }

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    let image = ImageSize(input, sizes)
    return min(window.height, image.height) &* min(window.width, image.width)
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let input = ImageSize(input, frame.sizes)
    var cursor = PixelCursor(ImageSize(output, frame.sizes), at: range.lowerBound)
    while cursor.position < range.upperBound {
      let count = cursor.count(to: range.upperBound)
      let rows = Self.inside(
        cursor.row &* window.strideHeight &- window.top, window.height, window.dilationHeight, input.height)
      let columns = Self.inside(
        cursor.column &* window.strideWidth &- window.left, window.width, window.dilationWidth, input.width)
      let image = frame.floats(0) + (cursor.batch &* input.height &* input.width &* input.channels)
      pixel(frame.output + cursor.position, image + cursor.channel, input, rows, columns, count)
      cursor.advance(count)
    }
  }

  /// Places first, first + step, ... below end.
  private struct Places {
    let first: Int
    let step: Int
    let count: Int
  }

  /// The taps begin, begin + dilation, ... that lie in 0 ..< size.
  @inline(__always)
  private static func inside(_ begin: Int, _ taps: Int, _ dilation: Int, _ size: Int) -> Places {
    let skipped = begin < 0 ? (dilation - 1 - begin) / dilation : 0
    let first = begin &+ skipped &* dilation
    let fitting = first < size ? (size - 1 - first) / dilation + 1 : 0
    return Places(first: first, step: dilation, count: max(0, min(taps - skipped, fitting)))
  }

  private func pixel(
    _ target: UnsafeMutablePointer<Float>, _ image: UnsafePointer<Float>, _ input: ImageSize, _ rows: Places,
    _ columns: Places, _ count: Int
  ) {
    guard rows.count > 0, columns.count > 0 else {
      fillRun(target, isMaximum ? -.infinity : 0, count)
      return
    }
    let taps = Taps(
      first: image + (rows.first &* input.width &+ columns.first) &* input.channels,
      rows: rows.count, rowStride: rows.step &* input.width &* input.channels, columns: columns.count,
      columnStride: columns.step &* input.channels, isMaximum: isMaximum)
    let divisor = Float(isMaximum ? 1 : dividesByAll ? window.taps : rows.count &* columns.count)
    var channel = 0
    while channel < count {
      let rest = count - channel
      let place = UnsafeMutableRawPointer(target + channel)
      if rest >= 16 {
        let result: SIMD16<Float> = taps.combined(channel) {
          $0.replacing(with: $1, where: ($1 .> $0) .| ($1 .!= $1))
        }
        place.storeBytes(of: isMaximum ? result : result / divisor, as: SIMD16<Float>.self)
        channel += 16
      } else if rest >= 4 {
        let result: SIMD4<Float> = taps.combined(channel) {
          $0.replacing(with: $1, where: ($1 .> $0) .| ($1 .!= $1))
        }
        place.storeBytes(of: isMaximum ? result : result / divisor, as: SIMD4<Float>.self)
        channel += 4
      } else {
        target[channel] = taps.combined(channel) / divisor
        channel += 1
      }
    }
  }

  /// The taps of a pixel that lie inside the image.
  private struct Taps {
    let first: UnsafePointer<Float>
    let rows: Int
    let rowStride: Int
    let columns: Int
    let columnStride: Int
    let isMaximum: Bool

    /// The largest or the sum of some channels of all taps; NaN is the largest, wherever it stands. Comparing is
    /// left to the caller: that of generic lanes is a hundred times slower.
    @inline(__always)
    func combined<Lanes: SIMD<Float> & BitwiseCopyable>(
      _ channel: Int, _ larger: (Lanes, Lanes) -> Lanes
    ) -> Lanes {
      var line = UnsafeRawPointer(first + channel)
      var sums = line.loadUnaligned(as: Lanes.self)
      var skipped = 1
      for _ in 0..<rows {
        var place = line + skipped &* columnStride &* 4
        let count = columns &- skipped
        if isMaximum {
          for _ in 0..<count {
            sums = larger(sums, place.loadUnaligned(as: Lanes.self))
            place += columnStride &* 4
          }
        } else {
          for _ in 0..<count {
            sums += place.loadUnaligned(as: Lanes.self)
            place += columnStride &* 4
          }
        }
        line += rowStride &* 4
        skipped = 0
      }
      return sums
    }

    /// The same of one channel.
    func combined(_ channel: Int) -> Float {
      var sum = first[channel]
      for row in 0..<rows {
        for column in 0..<columns where row > 0 || column > 0 {
          let value = first[channel &+ row &* rowStride &+ column &* columnStride]
          sum = isMaximum ? (value > sum || value.isNaN ? value : sum) : sum + value
        }
      }
      return sum
    }
  }
}

/// Adds up the taps of a transposed convolution: the bias, then the taps row by row.
package struct FoldOperator: TensorOperator {
  package static var entry: TensorEntry { { FoldOperator.answer($0, $1) } }
  let window: Window
  /// [B,H,W,C]
  let input: Extents
  let output: Extents
  let bias: UnsafePointer<Float>?

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int { window.taps }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let (input, output) = (ImageSize(input, frame.sizes), ImageSize(output, frame.sizes))
    var cursor = PixelCursor(output, at: range.lowerBound)
    while cursor.position < range.upperBound {
      let count = cursor.count(to: range.upperBound)
      let target = frame.output + cursor.position
      if let bias {
        target.update(from: bias + cursor.channel, count: count)
      } else {
        fillRun(target, 0, count)
      }
      let image = frame.floats(0) + (cursor.batch &* input.height &* input.width &* input.channels)
      for y in 0..<window.height {
        let place = cursor.row &+ window.top &- y &* window.dilationHeight
        guard let row = Self.source(place, window.strideHeight, input.height) else { continue }
        for x in 0..<window.width {
          let place = cursor.column &+ window.left &- x &* window.dilationWidth
          guard let column = Self.source(place, window.strideWidth, input.width) else { continue }
          let pixel = image + (row &* input.width &+ column) &* input.channels
          addRun(
            target, pixel + ((y &* window.width &+ x) &* output.channels &+ cursor.channel), count)
        }
      }
      cursor.advance(count)
    }
  }

  /// The pixel whose tap falls on `place`.
  @inline(__always)
  private static func source(_ place: Int, _ stride: Int, _ size: Int) -> Int? {
    guard place >= 0, place % stride == 0, place / stride < size else { return nil }
    return place / stride
  }
}

extension Pool: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    PoolOperator(function, window, input: node.extents(0), output: node.outputExtents)
  }
}

extension FoldTaps: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    var start: UnsafePointer<Float>?
    if let bias, case .dense(let dense) = node.graph.constants[bias] {
      start = dense.bytes.bound(to: Float.self).baseAddress
    }
    return FoldOperator(window: window, input: node.extents(0), output: node.outputExtents, bias: start)
  }
}
