import CKernelABI
import CPlatform
import SoniqKernels
import SoniqOperators

/// One step of the plan: which kernel with which arguments. The arguments lie in `PlanMemory`.
enum Step: BitwiseCopyable {
  case quantize(UnsafePointer<QuantizeStep>)
  case takeCodes(UnsafePointer<TakeCodesStep>)
  case matmul(UnsafePointer<MatmulStep>)
  case floatMatmul(UnsafePointer<FloatMatmulStep>)
  case layerNorm(UnsafePointer<LayerNormStep>)
  case activation(UnsafePointer<ActivationStep>)
  case add(UnsafePointer<AddStep>)
  case lookup(UnsafePointer<LookupStep>)
  case denseLookup(UnsafePointer<DenseLookupStep>)
  case positions(UnsafePointer<PositionsStep>)
  case pool(UnsafePointer<PoolStep>)
  case normalize(UnsafePointer<NormalizeStep>)
  case attention(UnsafePointer<AttentionStep>)
  case tensor(UnsafePointer<TensorStep>)
  case image(UnsafePointer<ImageStep>)
  case convolution(UnsafePointer<ConvolutionStep>)
  case floatConvolution(UnsafePointer<FloatConvolutionStep>)
  case depthwise(UnsafePointer<DepthwiseStep>)
  case floatDepthwise(UnsafePointer<FloatDepthwiseStep>)

  /// Panels of the matrix when the step can be split over them, else 0.
  var panelCount: Int {
    switch self {
    case .matmul(let step): step.pointee.panelCount
    case .floatMatmul(let step): step.pointee.panelCount
    case .convolution(let step): step.pointee.panelCount
    default: 0
    }
  }

  /// Multiply-accumulates of one row, or of one unit of attention.
  @inline(__always)
  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int {
    switch self {
    case .matmul(let step): return step.pointee.multiplyAccumulates
    case .floatMatmul(let step): return step.pointee.multiplyAccumulates
    case .convolution(let step): return step.pointee.multiplyAccumulates
    case .floatConvolution(let step): return step.pointee.multiplyAccumulates
    case .depthwise(let step): return step.pointee.geometry.taps &* step.pointee.geometry.channels
    case .tensor(let step): return step.pointee.work.multiplyAccumulates(frame.sizes)
    case .attention(let step):
      let sequence = frame.size(step.pointee.sequence)
      let isCausal = step.pointee.arguments.isCausal != 0
      let pairs = isCausal ? sequence &* (sequence &+ 1) / 2 : sequence &* sequence
      return 2 &* pairs &* Int(step.pointee.arguments.headDim)
    default: return 0
    }
  }
}

extension RunFrame {
  /// Does rows `begin` ..< `end` of the window; a matrix step does all its panels. Not inlined: it would be in four
  /// places, all steps with it, 100 kB.
  @inline(never)
  func perform(_ index: Int, _ window: RowWindow, rows: Range<Int>, panels: Range<Int>) {
    guard let costs else {
      execute(steps[index], window, rows: rows, panels: panels)
      return
    }
    let start = snq_clock_nanoseconds()
    execute(steps[index], window, rows: rows, panels: panels)
    let cost = costs + (window.lane * stepCount + index)
    cost.pointee.nanoseconds &+= snq_clock_nanoseconds() &- start
    // Panels of the same rows are counted once: by the unit that has the first panel.
    let isWhole = panels.lowerBound == 0
    if isWhole { cost.pointee.rows &+= UInt64(rows.count) }
    let perRow = steps[index].multiplyAccumulates(self)
    let share = steps[index].panelCount == 0 ? 1 : steps[index].panelCount
    cost.pointee.multiplyAccumulates &+= UInt64(
      truncatingIfNeeded: rows.count &* perRow / share &* max(1, panels.count))
  }

  @inline(never)
  private func execute(_ step: Step, _ window: RowWindow, rows: Range<Int>, panels: Range<Int>) {
    switch step {
    case .quantize(let step): step.pointee.run(self, window, rows)
    case .takeCodes(let step): step.pointee.run(self, window, rows)
    case .matmul(let step): step.pointee.run(self, window, rows, panels)
    case .floatMatmul(let step): step.pointee.run(self, window, rows, panels)
    case .layerNorm(let step): step.pointee.run(self, window, rows)
    case .activation(let step): step.pointee.run(self, window, rows)
    case .add(let step): step.pointee.run(self, window, rows)
    case .lookup(let step): step.pointee.run(self, window, rows)
    case .denseLookup(let step): step.pointee.run(self, window, rows)
    case .positions(let step): step.pointee.run(self, window, rows)
    case .pool(let step): step.pointee.run(self, window, rows)
    case .normalize(let step): step.pointee.run(self, window, rows)
    case .attention(let step): step.pointee.run(self, window, rows)
    case .tensor(let step): step.pointee.run(self, window, rows)
    case .image(let step): step.pointee.run(self, window, rows)
    case .convolution(let step): step.pointee.run(self, window, rows, panels)
    case .floatConvolution(let step): step.pointee.run(self, window, rows)
    case .depthwise(let step): step.pointee.run(self, window, rows)
    case .floatDepthwise(let step): step.pointee.run(self, window, rows)
    }
  }
}
