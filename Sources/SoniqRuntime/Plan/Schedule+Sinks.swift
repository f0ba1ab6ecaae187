import SoniqCore
import SoniqGraph
import SoniqKernels

extension Schedule {
  /// Where a step alone reads what a matrix or a convolution makes, and reads it to make codes of one fixed scale, the
  /// matrix's kernel writes these codes and no floats.
  mutating func sink(_ index: Int) {
    let step = steps[index]
    guard let code = wantedCode(step), step.reads.count == 1 else { return }
    let floats = step.reads[0]
    guard let writer = slots[floats].writer, steps[writer].writes == [floats],
      canWriteCodes(steps[writer].work),
      slots[floats].readers == [index], !slots[floats].isKept, !slots[floats].isExternal,
      !slots[floats].isShared, slots[floats].aliasOf == nil, steps[writer].space == slots[floats].space
    else { return }
    let codes: SlotID
    if let layer = (step.work as? QuantizeWork)?.layer {
      passCodes(layer, ActivationSlots(step.writes), reading: true)
      let matrix = layers[layer].matrix
      codes = step.writes[0]
      // Few bytes, which no kernel wants in another form: as close as depthwise kernels write those of several pixels.
      if matrix.levels[0].level.weight.layout == .bytes, matrix.inputs <= 64 {
        slots[codes].rowBytes = matrix.inputs
      }
      slots[codes].readers.insert(index, at: 0)
    } else {
      codes = slots.count
      slots.append(
        Slot(name: "codes", rowBytes: slots[floats].rowBytes / 4, space: slots[floats].space))
      slots[codes].readers = [index]
    }
    if let layer = (steps[writer].work as? MatmulWork)?.layer {
      passCodes(layer, ActivationSlots(steps[writer].reads), reading: false)
    }
    slots[codes].writer = writer
    slots[floats].writer = nil
    slots[floats].readers = []
    steps[writer].writes = [codes]
    steps[writer].sink = code
    steps[index].reads = [codes]
  }

  /// Whether the kernels of a step can write codes: of rows with one scale, where no activation function follows.
  private func canWriteCodes(_ work: any ScheduledWork) -> Bool {
    switch work {
    case let work as MatmulWork: work.function == nil && layers[work.layer].canWriteCodes
    case let work as ConvolutionWork: work.function == nil && work.convolution.canWriteCodes
    case let work as DepthwiseWork:
      work.function == nil && work.depthwise.kernel.traits.contains(.writesCodes)
    default: false
    }
  }

  /// Takes the kernels for it, which may want less prepared.
  private mutating func passCodes(_ layer: LayerID, _ activations: ActivationSlots, reading: Bool) {
    layers[layer].passCodes(reading: reading)
    for (index, level) in layers[layer].levels.enumerated() {
      slots[activations.prepared(index)].rowBytes = level.preparedRowBytes
    }
  }

  /// The code that a step makes of all floats that it reads; nil when there are several, or none of fixed scale.
  private func wantedCode(_ step: ScheduledStep) -> ActivationCode? {
    let matrix: PackedMatrix
    switch step.work {
    case let work as DepthwiseImageWork: return fixedCode(work.depthwise.weights.level.activation)
    case let work as QuantizeWork:
      let packed = layers[work.layer].matrix
      // Nobody would write the padding.
      guard let level = packed.levels.first, level.channels == level.paddedChannels else { return nil }
      matrix = packed
    case let work as ImageWork:
      guard let packed = work.convolution.onlyMatrix else { return nil }
      matrix = packed
    default: return nil
    }
    // Three channels are spread by reading a byte behind them.
    guard matrix.levels.count == 1, matrix.gather == nil, matrix.inputs % 4 == 0 else { return nil }
    return fixedCode(matrix.levels[0].level.activation)
  }

  private func fixedCode(_ code: ActivationCode) -> ActivationCode? {
    if case .fixed = code.scaling, code.kind == .affine { return code }
    return nil
  }
}
