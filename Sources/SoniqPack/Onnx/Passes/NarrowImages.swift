import SoniqGraph

/// Convolutions of images of one or two channels take neighbouring columns as the channels of one tap. The packed layout
/// gives every tap room for a multiple of 4 channels, most of which would be empty. Where the stride allows it that is
/// the same memory under another shape, else shifted copies side by side.
enum NarrowImages: DraftPass {
  private static let tileChannels = 4

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let nodes = draft.nodes
    draft.nodes = []
    for node in nodes {
      if try !replace(node, &draft) { draft.nodes.append(node) }
    }
  }

  private static func replace(_ node: DraftNode, _ draft: inout DraftGraph) throws(PackError) -> Bool {
    guard case .convolution(let window, let groups) = node.operation, groups.count == 1,
      groups[0].grid == nil, groups[0].trained == nil, window.dilationWidth == 1,
      let plan = Plan(window, channels: groups[0].inputs / window.taps, shape: draft.shape(node.inputs[0])),
      case .fixed(let columns)? = draft.shape(node.output).dropFirst(2).first
    else { return false }
    let image = try plan.columns(of: node.inputs[0], outputs: columns, name: node.name, &draft)
    draft.nodes.append(
      DraftNode(
        name: node.name, operation: .convolution(plan.window, groups: [plan.weights(groups[0])]),
        inputs: [image], output: node.output))
    return true
  }

  /// How a window of `window.width` taps becomes one of fewer taps with `shifts` times the channels.
  private struct Plan {
    let original: Window
    let channels: Int
    let width: Int
    let shifts: Int
    /// Of the new window.
    let taps: Int
    /// The stride is a multiple of the shifts: columns are grouped without a copy.
    let isGrouped: Bool

    /// nil where the layout would not gain a fifth.
    init?(_ window: Window, channels: Int, shape: [Dimension]) {
      guard channels == 1 || channels == 2, shape.count == 4, case .fixed(let width) = shape[2] else {
        return nil
      }
      shifts = NarrowImages.tileChannels / channels
      taps = (window.width + shifts - 1) / shifts
      guard taps * 5 <= window.width * 4 else { return nil }
      original = window
      self.channels = channels
      self.width = width
      isGrouped = window.strideWidth % shifts == 0
    }

    var window: Window {
      var result = original
      result.width = taps
      result.left = 0
      result.right = 0
      result.dilationWidth = isGrouped ? 1 : shifts
      result.strideWidth = isGrouped ? original.strideWidth / shifts : original.strideWidth
      return result
    }

    /// The columns of which the new window reads each once for `outputs` places.
    private func positions(_ outputs: Int) -> Int {
      (outputs - 1) * window.strideWidth + (taps - 1) * window.dilationWidth + 1
    }

    /// The image as the new window wants it.
    func columns(
      of image: ValueID, outputs: Int, name: String, _ draft: inout DraftGraph
    ) throws(PackError) -> ValueID {
      let count = positions(outputs)
      let wanted = isGrouped ? count * shifts : count + shifts - 1
      let after = max(0, wanted - original.left - width)
      var value = image
      if original.left > 0 || after > 0 {
        value = try draft.tensor(
          .pad(.constant, before: [0, 0, original.left, 0], after: [0, 0, after, 0], value: 0), [value],
          name: name)
      }
      let shape = draft.shape(value)
      func slice(_ begin: Int, _ count: Int) throws(PackError) -> ValueID {
        if begin == 0, shape[2] == .fixed(count) { return value }
        let ranges = shape.indices.map { axis -> SliceRange in
          if axis == 2 { return SliceRange(begin: begin, step: 1, count: count) }
          if case .fixed(let size) = shape[axis] { return SliceRange(begin: 0, step: 1, count: size) }
          return SliceRange(begin: 0, step: 1, count: nil)
        }
        return try draft.tensor(.slice(ranges), [value], name: name)
      }
      if isGrouped {
        let part = try slice(0, wanted)
        let target = [shape[0], shape[1], .fixed(count), .fixed(shifts * channels)]
        return try draft.tensor(.reshape(target), [part], name: name)
      }
      var parts: [ValueID] = []
      for shift in 0..<shifts { parts.append(try slice(shift, count)) }
      return try draft.tensor(.concatenate(axis: 3), parts, name: name)
    }

    /// [output][row][column][channel] with columns regrouped, 0 behind the last.
    func weights(_ weights: DraftWeights) -> DraftWeights {
      var result = weights
      result.inputs = original.height * taps * shifts * channels
      let (old, new) = (original.width * channels, taps * shifts * channels)
      result.values = (0..<weights.outputs * original.height).flatMap { row in
        weights.values[row * old..<(row + 1) * old] + [Float](repeating: 0, count: new - old)
      }
      return result
    }
  }
}
