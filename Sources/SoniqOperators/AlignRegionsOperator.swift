package import SoniqGraph

/// Parts of regions of images. An item is a part, of all channels.
package struct AlignRegionsOperator: TensorOperator {
  package static var entry: TensorEntry { { AlignRegionsOperator.answer($0, $1) } }
  let node: Int
  let attributes: AlignRegions
  let image: Extents
  let regions: Extents

  private var parts: Int { attributes.height &* attributes.width }

  package func items(_ sizes: UnsafePointer<Int>) -> Int { regions.size(0, sizes) &* parts }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    let samples = max(2, attributes.samples)
    return 4 &* samples &* samples &* image.size(3, sizes)
  }

  /// Of one direction: where a region begins, how long a part is, and its samples.
  private struct Line {
    var start: Float
    var part: Float
    var samples: Int

    func place(_ index: Int, _ sample: Int) -> Float {
      start + Float(index) * part + (Float(sample) + 0.5) * part / Float(samples)
    }
  }

  /// The two pixels around a place and their weights.
  private struct Neighbours {
    var low = 0
    var high = 0
    var share: Float = 0

    init?(_ place: Float, _ length: Int) {
      guard place >= -1, place <= Float(length) else { return nil }
      let inside = max(place, 0)
      low = min(Int(inside), length - 1)
      high = min(low + 1, length - 1)
      share = low == high ? 0 : inside - Float(low)
    }
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let sizes = frame.sizes
    let (height, width, channels) = (image.size(1, sizes), image.size(2, sizes), image.size(3, sizes))
    let images = image.size(0, sizes)
    for item in range {
      let (region, part) = (item / parts, item % parts)
      let target = frame.output + item &* channels
      fillRun(target, 0, channels)
      let index = Int(frame.integers(2)[region])
      guard index >= 0, index < images else {
        frame.fault.pointee.report(node: node, position: region, index: index, size: images)
        continue
      }
      let edges = frame.floats(1) + region &* 4
      let rows = line(edges[1], edges[3], parts: attributes.height)
      let columns = line(edges[0], edges[2], parts: attributes.width)
      let source = frame.floats(0) + index &* height &* width &* channels
      var isFirst = true
      let share = 1 / Float(max(1, rows.samples &* columns.samples))
      for row in 0..<rows.samples {
        let y = Neighbours(rows.place(part / attributes.width, row), height)
        for column in 0..<columns.samples {
          let x = Neighbours(columns.place(part % attributes.width, column), width)
          sample(target, source, y, x, width, channels, share, isFirst)
          isFirst = false
        }
      }
    }
  }

  private func line(_ first: Float, _ last: Float, parts: Int) -> Line {
    let offset: Float = attributes.isHalfPixel ? 0.5 : 0
    let start = first * attributes.scale - offset
    var length = last * attributes.scale - offset - start
    if !attributes.isHalfPixel { length = max(length, 1) }
    let part = length / Float(parts)
    let most = Float(AlignRegions.maximumSamples)
    // The comparison also catches NaN.
    let counted = part > 0 ? Int(min(part.rounded(.up), most)) : 0
    return Line(start: start, part: part, samples: attributes.samples > 0 ? attributes.samples : counted)
  }

  private func sample(
    _ target: UnsafeMutablePointer<Float>, _ source: UnsafePointer<Float>, _ y: Neighbours?,
    _ x: Neighbours?, _ width: Int, _ channels: Int, _ share: Float, _ isFirst: Bool
  ) {
    guard let y, let x else {
      // A sample outside is 0.
      if attributes.function == .maximum {
        for channel in 0..<channels { target[channel] = isFirst ? 0 : max(target[channel], 0) }
      }
      return
    }
    let (above, below) = (y.low &* width, y.high &* width)
    let corners = SIMD4<Int>(above &+ x.low, above &+ x.high, below &+ x.low, below &+ x.high)
    let rows = SIMD4<Float>(1 - y.share, 1 - y.share, y.share, y.share)
    let weights = rows * SIMD4<Float>(1 - x.share, x.share, 1 - x.share, x.share)
    for corner in 0..<4 {
      let pixel = source + corners[corner] &* channels
      switch attributes.function {
      case .average: addScaledRun(target, pixel, weights[corner] * share, channels)
      case .maximum:
        for channel in 0..<channels {
          let number = pixel[channel] * weights[corner]
          target[channel] = isFirst && corner == 0 ? number : max(target[channel], number)
        }
      }
    }
  }
}

extension AlignRegions: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    AlignRegionsOperator(
      node: node.index, attributes: self, image: node.extents(0), regions: node.extents(1))
  }
}
