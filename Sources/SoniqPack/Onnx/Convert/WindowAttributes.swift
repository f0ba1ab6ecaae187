import SoniqGraph

/// The attributes that convolutions and pools share, for one or two spatial dimensions.
struct WindowAttributes {
  let spatial: Int
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  /// "NOTSET", "VALID", "SAME_UPPER" or "SAME_LOWER".
  let automatic: String
  /// Before each dimension, then after each.
  let pads: [Int]
  /// By axis, whether the image has its margin before it.
  private var hasMargin: [Bool]

  init(_ conversion: OnnxConversion, kernel: [Int]) throws(PackError) {
    let node = conversion.node
    spatial = kernel.count
    hasMargin = kernel.map { _ in false }
    guard (1...2).contains(spatial) else {
      throw conversion.fault("\(spatial) spatial dimensions; 1 and 2 are supported")
    }
    self.kernel = kernel
    strides = node.integers("strides") ?? kernel.map { _ in 1 }
    dilations = node.integers("dilations") ?? kernel.map { _ in 1 }
    automatic = node.text("auto_pad") ?? "NOTSET"
    pads =
      automatic == "NOTSET"
      ? node.integers("pads") ?? [Int](repeating: 0, count: 2 * spatial)
      : [Int](repeating: 0, count: 2 * spatial)
    guard ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].contains(automatic) else {
      throw conversion.fault("auto_pad \(automatic)")
    }
    guard strides.count == spatial, dilations.count == spatial, pads.count == 2 * spatial,
      (kernel + strides + dilations).allSatisfy({ (1...maximumTaps).contains($0) }),
      pads.allSatisfy({ (0...maximumTaps).contains($0) }), kernel.reduce(1, *) <= maximumTaps
    else {
      throw conversion.fault(
        "kernel \(kernel), strides \(strides), dilations \(dilations), pads \(pads) are not possible")
    }
  }

  /// The same windows, where what lies before `axis` is part of the image.
  func withoutMargin(before axis: Int) -> WindowAttributes {
    var result = self
    result.hasMargin[axis] = true
    return result
  }

  /// The window over an image of this size. One-dimensional ones have height 1.
  /// * roundsUp: the last windows may reach over the edge.
  /// - Throws: `data` where it would depend on a dynamic size.
  func window(height: Dimension, width: Dimension, roundsUp: Bool = false) throws(PackError) -> Window {
    let (rows, columns) = (
      spatial == 2 ? try axis(0, height, roundsUp) : Side(), try axis(spatial - 1, width, roundsUp)
    )
    return Window(
      height: rows.kernel, width: columns.kernel, strides: (rows.stride, columns.stride),
      dilations: (rows.dilation, columns.dilation),
      padding: (rows.before, columns.before, rows.after, columns.after))
  }

  private struct Side {
    var kernel = 1
    var stride = 1
    var dilation = 1
    var before = 0
    var after = 0
  }

  /// How much SAME puts before an axis: where the stride divides the size, and otherwise at most.
  func sameMargins(_ axis: Int) -> (least: Int, most: Int) {
    let reach = dilations[axis] * (kernel[axis] - 1) + 1
    func before(_ total: Int) -> Int { automatic == "SAME_UPPER" ? total / 2 : total - total / 2 }
    return (before(max(0, reach - strides[axis])), before(reach - 1))
  }

  private func axis(_ axis: Int, _ dimension: Dimension, _ roundsUp: Bool) throws(PackError) -> Side {
    var side = Side(
      kernel: kernel[axis], stride: strides[axis], dilation: dilations[axis], before: pads[axis],
      after: pads[spatial + axis])
    let reach = side.dilation * (side.kernel - 1) + 1
    guard case .fixed(let size) = dimension else { return try dynamic(axis, side, reach, roundsUp) }
    if automatic.hasPrefix("SAME") {
      let outputs = (size + side.stride - 1) / side.stride
      let padding = max(0, (outputs - 1) * side.stride + reach - size)
      side.before = automatic == "SAME_UPPER" ? padding / 2 : padding - padding / 2
      side.after = padding - side.before
    } else if roundsUp, size + side.before + side.after >= reach {
      var outputs = (size + side.before + side.after - reach + side.stride - 1) / side.stride + 1
      // A window must start inside the image or the padding before it.
      if (outputs - 1) * side.stride >= size + side.before { outputs -= 1 }
      side.after = max(side.after, (outputs - 1) * side.stride + reach - size - side.before)
    }
    return side
  }

  /// Of any size: padding that does not depend on it.
  private func dynamic(_ axis: Int, _ side: Side, _ reach: Int, _ roundsUp: Bool) throws(PackError) -> Side {
    var side = side
    if automatic.hasPrefix("SAME") {
      let margins = sameMargins(axis)
      if hasMargin[axis] {
        side.after = reach - 1 - margins.most
        return side
      }
      guard margins.least == margins.most else {
        throw PackError(
          .data,
          "auto_pad \(automatic) with stride \(side.stride) over a dynamic size; fix it with --shape")
      }
      // With the margin of the longest windows behind, no window is lost or added.
      side.before = margins.most
      side.after = reach - 1 - side.before
    } else if roundsUp, side.stride > 1 {
      side.after += side.stride - 1
      guard side.after < reach else {
        throw PackError(
          .data, "ceil_mode with windows that may lie in the padding; fix dynamic sizes with --shape")
      }
    }
    return side
  }
}
