import SoniqCore
import SoniqGraph
import SoniqKernels

/// The kernel of one level with symmetric activations, and what it wants.
struct GroupLevelPlan {
  let level: MatrixLevel
  let kernel: GroupMatmulKernel
  /// The copy of the weights that it reads.
  let copy: WidenedCodes?
  /// Why kernels that could be thought faster were not taken, in plain words.
  let refusals: [String]

  /// Channels with a scale of their own; 0: all.
  var groupLength: Int { level.groups?.length ?? 0 }
  var groupCount: Int { level.groups?.count(channels: level.channels) ?? 1 }
  /// Scales of a row of activations.
  var rowScaleCount: Int {
    let length = level.level.activation.groupLength
    return length == 0 ? 1 : (level.channels + length - 1) / length
  }
}

/// How a linear layer with symmetric activations runs: decided once, while it is scheduled, and read by all that size,
/// emit or report its steps.
struct GroupLayerPlan {
  let matrix: PackedMatrix
  let levels: [GroupLevelPlan]

  /// Of any level: they run after each other.
  var scratchBytes: Int { levels.map { $0.kernel.scratchBytes(groups: $0.groupCount) }.max() ?? 0 }
}

/// The slots of such a layer's activations: codes, sums and scales of each level.
struct GroupSlots {
  let slots: [SlotID]

  func level(_ index: Int) -> GroupActivationSlots {
    GroupActivationSlots(codes: slots[3 * index], sums: slots[3 * index + 1], scales: slots[3 * index + 2])
  }
}

extension StepKernels {
  /// The kernels of a layer with symmetric activations.
  func groupLayer(_ matrix: PackedMatrix) -> GroupLayerPlan {
    GroupLayerPlan(
      matrix: matrix, levels: matrix.levels.map { groupLevel($0, panels: matrix.panelCount) })
  }

  /// A fast kernel for the level as it is, else one for a copy of it, else the reference.
  private func groupLevel(_ level: MatrixLevel, panels: Int) -> GroupLevelPlan {
    let weight = level.level.weight
    let shape = GroupMatmulShape(
      layout: GroupLayout(weight.layout), groupLength: level.groups?.length ?? 0,
      hasCodebook: weight.kind == .codebook)
    let own = GroupMatmulRegistry.chosen(shape, on: matrices.available)
    let reference = GroupMatmulRegistry.reference
    func plan(_ kernel: GroupMatmulKernel, _ copy: WidenedCodes?, _ refusals: [String]) -> GroupLevelPlan {
      GroupLevelPlan(level: level, kernel: kernel, copy: copy, refusals: refusals)
    }
    guard own.name == reference.name else { return plan(own, nil, []) }
    let stored = StoredLevel(level, panels: panels)
    let copies = [
      WidenedCodes(
        level: stored, bits: weight.bits <= 4 ? 4 : 8, layout: weight.bits <= 4 ? .nibbles : .unsignedBytes),
      WidenedCodes(level: stored, bits: 8, layout: .unsignedBytes, entryBias: shape.hasCodebook ? 128 : nil),
    ]
    for copy in copies where copy.layout != weight.layout {
      var wide = shape
      wide.layout = GroupLayout(copy.layout)
      wide.hasCodebook = shape.hasCodebook && copy.entryBias == nil
      let kernel = GroupMatmulRegistry.chosen(wide, on: matrices.available)
      guard kernel.name != reference.name else { continue }
      let what = "a copy of \(copy.bits) bits a weight"
      guard allowsCopies else {
        return plan(own, nil, ["\(kernel.name): needs \(what), and copies are turned off"])
      }
      return plan(kernel, copy, ["no fast kernel takes these weights as they are: works on \(what)"])
    }
    return plan(own, nil, [])
  }
}

extension GroupLayout {
  /// Of a level with symmetric activations, which has no signed bytes.
  init(_ layout: WeightLayout) {
    switch layout {
    case .nibbles: self = .nibbles
    case .planes: self = .planes
    case .bytes, .unsignedBytes: self = .unsignedBytes
    }
  }
}
