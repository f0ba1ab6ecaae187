package import SoniqGraph

/// Images of another size. Places and weights are computed in binary64, sums in binary32, row by row.
package struct ResizeOperator: TensorOperator {
  package static var entry: TensorEntry { { ResizeOperator.answer($0, $1) } }
  let method: ResizeMethod
  let coordinates: ResizeCoordinates
  let rounding: NearestRounding
  let scaleHeight: Float
  let scaleWidth: Float
  /// [B,H,W,C]
  let input: Extents
  let output: Extents

  /// The quotient of the sizes where the scale is that but for its rounding, or 0.
  private static func exact(_ scale: Float, _ inputs: Int, _ outputs: Int) -> Double {
    let quotient = Double(outputs) / Double(inputs)
    return scale == 0 || Float(quotient) == scale ? quotient : Double(scale)
  }

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    switch method {
    case .nearest: 1
    case .linear: 4
    case .cubic: 16
    }
  }

  /// Up to four neighbours in a line, and their weights.
  private struct Taps {
    var count = 1
    var places = SIMD4<Int>.zero
    var weights = SIMD4<Float>(1, 0, 0, 0)
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let (input, output) = (ImageSize(input, frame.sizes), ImageSize(output, frame.sizes))
    let scaleHeight = Self.exact(scaleHeight, input.height, output.height)
    let scaleWidth = Self.exact(scaleWidth, input.width, output.width)
    var cursor = PixelCursor(output, at: range.lowerBound)
    var row = -1
    var rows = Taps()
    while cursor.position < range.upperBound {
      let count = cursor.count(to: range.upperBound)
      if cursor.row != row {
        row = cursor.row
        rows = taps(row, scaleHeight, input.height, output.height)
      }
      let columns = taps(cursor.column, scaleWidth, input.width, output.width)
      let image =
        frame.floats(0) + (cursor.batch &* input.height &* input.width &* input.channels &+ cursor.channel)
      pixel(frame.output + cursor.position, image, input, rows, columns, count)
      cursor.advance(count)
    }
  }

  private func pixel(
    _ target: UnsafeMutablePointer<Float>, _ image: UnsafePointer<Float>, _ input: ImageSize, _ rows: Taps,
    _ columns: Taps, _ count: Int
  ) {
    if rows.count == 1 {
      target.update(
        from: image + (rows.places[0] &* input.width &+ columns.places[0]) &* input.channels, count: count)
      return
    }
    fillRun(target, 0, count)
    for row in 0..<rows.count {
      for column in 0..<columns.count {
        let place = rows.places[row] &* input.width &+ columns.places[column]
        addScaledRun(
          target, image + place &* input.channels, rows.weights[row] * columns.weights[column], count)
      }
    }
  }

  /// Where a place of the output lies in the input.
  private func source(_ place: Int, _ scale: Double, _ inputs: Int, _ outputs: Int) -> Double {
    let x = Double(place)
    switch coordinates {
    case .halfPixel: return (x + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return outputs > 1 ? (x + 0.5) / scale - 0.5 : 0
    case .alignCorners:
      return outputs > 1 ? x * Double(inputs - 1) / (scale * Double(inputs) - 1) : 0
    case .asymmetric: return x / scale
    case .halfPixelSymmetric:
      // What rounding took from the length lies on both sides.
      let share = Double(outputs) / (scale * Double(inputs))
      return Double(inputs) / 2 * (1 - share) + (x + 0.5) / scale - 0.5
    }
  }

  private func taps(_ place: Int, _ scale: Double, _ inputs: Int, _ outputs: Int) -> Taps {
    let last = inputs - 1
    // Places far outside have the neighbours of those just outside: a border of 4 is wide enough. The comparison also
    // catches NaN.
    let source = source(place, scale, inputs, outputs)
    let x = source > -4 ? min(source, Double(inputs) + 4) : -4
    var taps = Taps()
    switch method {
    case .nearest: taps.places[0] = min(max(Int(nearest(x)), 0), last)
    case .linear:
      let inside = min(max(x, 0), Double(last))
      let low = Int(inside.rounded(.down))
      let share = Float(inside - Double(low))
      taps.count = 2
      taps.places = SIMD4(low, min(low + 1, last), 0, 0)
      taps.weights = SIMD4(1 - share, share, 0, 0)
    case .cubic:
      let low = x.rounded(.down)
      taps.count = 4
      for tap in 0..<4 {
        taps.places[tap] = min(max(Int(low) + tap - 1, 0), last)
        taps.weights[tap] = Float(cubicWeight(x - low - Double(tap - 1)))
      }
    }
    return taps
  }

  private func nearest(_ x: Double) -> Double {
    switch rounding {
    case .floor: x.rounded(.down)
    case .ceiling: x.rounded(.up)
    case .roundPreferCeiling: (x + 0.5).rounded(.down)
    case .roundPreferFloor: (x - 0.5).rounded(.up)
    }
  }
}

extension Resize: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    ResizeOperator(
      method: method, coordinates: coordinates, rounding: rounding, scaleHeight: scaleHeight,
      scaleWidth: scaleWidth, input: node.extents(0), output: node.outputExtents)
  }
}
