import SoniqGraph

/// One layer: attention, then two or three linear layers, each with a sum and a norm.
extension EncoderGraph {
  /// The path of a layer within the encoder.
  func path(of layer: Int) throws(PackError) -> String {
    let block = family.block
    guard let sharing = block.sharing else { return replaced(block.path, "#", layer) }
    let groups = try folder.size(sharing.groups, in: 1...1024, default: 1)
    let inner = try folder.size(sharing.layersOfGroup, in: 1...1024, default: 1)
    guard inner == 1, groups <= sizes.layers else {
      throw folder.fieldError(
        inner == 1 ? sharing.groups : sharing.layersOfGroup,
        inner == 1 ? "\(groups) groups of \(sizes.layers) layers" : "\(inner); known: 1")
    }
    let group = layer * groups / sizes.layers
    return replaced(replaced(block.path, "#", group), "@", 0)
  }

  func replaced(_ path: String, _ mark: Character, _ number: Int) -> String {
    path.split(separator: mark, omittingEmptySubsequences: false).joined(separator: String(number))
  }

  mutating func layer(_ index: Int, _ input: ValueID) throws(PackError) -> ValueID {
    let output = try plainLayer(index, input)
    guard index == 0, let layout = family.block.convolution else { return output }
    return try beside(output, layout, of: input)
  }

  private mutating func plainLayer(_ index: Int, _ input: ValueID) throws(PackError) -> ValueID {
    let block = family.block
    let path = try path(of: index)
    switch block.normPlace {
    case .behind:
      let attended = try attention(index, path, input)
      let sum = try self.sum(beside(path + "." + block.output, "add"), attended, input)
      var middle = try norm(prefix + path + "." + block.attentionNorm, sum)
      if let second = block.secondNorm {
        let again = try self.sum(path + "." + second + ".add", middle, input)
        middle = try norm(prefix + path + "." + second, again)
      }
      let fed = try feedForward(path, middle)
      let all = try self.sum(beside(path + "." + downPath, "add"), fed, middle)
      return try norm(prefix + path + "." + block.outputNorm, all)
    case .before:
      var normed = input
      if index > 0 || !block.firstIsUnnormed {
        normed = try norm(prefix + path + "." + block.attentionNorm, input)
      }
      let attended = try attention(index, path, normed)
      let middle = try sum(beside(path + "." + block.output, "add"), attended, input)
      let fed = try feedForward(path, try norm(prefix + path + "." + block.outputNorm, middle))
      return try sum(beside(path + "." + downPath, "add"), fed, middle)
    }
  }

  private var downPath: String {
    switch family.block.feedForward {
    case .plain(_, let down), .gated(_, _, let down), .gatedPacked(_, let down, _),
      .either(_, _, _, let down):
      down
    }
  }

  private mutating func feedForward(_ path: String, _ input: ValueID) throws(PackError) -> ValueID {
    let start = prefix + path + "."
    let wide = sizes.intermediate
    switch family.block.feedForward {
    case .plain(let up, let down): return try plain(path + "." + up, path + "." + down, input)
    case .either(let up, let gate, _, let down) where !has(start + gate + ".weight"):
      return try plain(path + "." + up, path + "." + down, input)
    case .gated(let gate, let up, let down), .either(_, let gate, let up, let down):
      let gates = try linear(start + gate, input, outputs: wide)
      let raised = try linear(start + up, input, outputs: wide)
      return try gated(path + "." + down, gates, raised)
    case .gatedPacked(let both, let down, let isGateFirst):
      let all = try weights(start + both, outputs: 2 * wide, inputs: inputs(of: input))
      let gates = add(all.part(isGateFirst ? 0 : 1, of: 2), path + "." + both + ".gate", input)
      let raised = add(all.part(isGateFirst ? 1 : 0, of: 2), path + "." + both + ".up", input)
      return try gated(path + "." + down, gates, raised)
    }
  }

  /// * up, down: within the prefix.
  mutating func plain(_ up: String, _ down: String, _ input: ValueID) throws(PackError) -> ValueID {
    var first = try weights(prefix + up, outputs: sizes.intermediate, inputs: inputs(of: input))
    var second = try weights(prefix + down, outputs: sizes.hidden, inputs: sizes.intermediate)
    if let factor = sizes.activationFactor { Self.scale(&first, &second, factor) }
    let raised = add(first, up, input)
    return add(second, down, function(sizes.activation, beside(up, "activation"), raised))
  }

  private mutating func gated(_ down: String, _ gates: ValueID, _ raised: ValueID) throws(PackError)
    -> ValueID
  {
    let product = try tensor(
      beside(down, "product"), .gatedProduct(GatedProduct(sizes.activation)), gates, raised)
    return try linear(prefix + down, product, outputs: sizes.hidden)
  }

  /// x * sigmoid(factor * x) is silu(factor * x) / factor.
  private static func scale(_ first: inout DraftWeights, _ second: inout DraftWeights, _ factor: Float) {
    first.values = first.values.map { $0 * factor }
    first.bias = first.bias?.map { $0 * factor }
    second.values = second.values.map { $0 / factor }
  }
}
