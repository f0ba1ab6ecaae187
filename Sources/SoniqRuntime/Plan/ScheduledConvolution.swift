import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

/// A convolution of the schedule: how its groups run, decided once, and the slots of their images.
struct ScheduledConvolution {
  struct Image {
    var codes: SlotID
    var sums: SlotID?
  }
  struct Group {
    let matrix: PackedMatrix
    let levels: [ConvolutionLevelPlan]
    /// By level.
    var images: [Image] = []
  }
  let geometry: ImageGeometry
  var groups: [Group]
  let scratch: ConvolutionScratch

  init(_ geometry: ImageGeometry, _ matrices: [PackedMatrix], _ kernels: StepKernels) {
    self.geometry = geometry
    groups = matrices.map { matrix in
      Group(
        matrix: matrix,
        levels: matrix.levels.indices.map {
          ConvolutionLevelPlan(matrix, level: $0, geometry, kernels)
        })
    }
    scratch = ConvolutionScratch(geometry, groups)
  }

  var slots: [SlotID] {
    groups.flatMap(\.images).flatMap { [$0.codes] + ($0.sums.map { [$0] } ?? []) }
  }
  var groupChannels: Int { geometry.channels / max(1, groups.count) }
  /// The matrix of the one group.
  var onlyMatrix: PackedMatrix? { groups.count == 1 ? groups[0].matrix : nil }
  var isBipolar: Bool {
    groups.contains { $0.levels.contains { $0.level.level.activation.kind == .bipolar } }
  }
  /// Kernels can write the codes of the next layer in place of floats.
  var canWriteCodes: Bool {
    groups.allSatisfy {
      $0.matrix.hasOneScale && $0.levels[0].choice.kernel.traits.contains(.writesCodes)
    }
  }
}

/// A depthwise convolution of the schedule.
struct ScheduledDepthwise {
  let geometry: ImageGeometry
  let weights: PackedDepthwise
  let bias: DenseConstant?
  let kernel: KernelRow<snq_depthwise_function>
  /// Why there is no faster kernel.
  let refusals: [String]
  var image = 0

  init(_ geometry: ImageGeometry, _ weights: PackedDepthwise, bias: DenseConstant?, _ kernels: StepKernels) {
    self.geometry = geometry
    self.weights = weights
    self.bias = bias
    kernel = kernels.depthwise
    refusals = kernels.depthwiseRefusals
  }
}

/// Where the parts of a lane's scratch lie for the two steps of a convolution, largest group counting.
struct ConvolutionScratch {
  // The image step.
  private(set) var codes = (0, 0)
  private(set) var tight = 0
  private(set) var gather = 0
  // Both.
  let parameters = 0
  // The convolution step.
  private(set) var kernel = (0, 0)
  private(set) var rows = (0, 0)
  private(set) var columnSums = 0
  private(set) var byteCount = 0

  static var parameterBytes: Int { MemoryLayout<snq_row_params>.stride * 2 * ConvolutionStep.pixelsAtOnce }

  /// Codes of a run of pixels without padding, and what is read behind them.
  static func tightBytes(_ channels: Int) -> Int {
    (channels <= 4 ? ImageStep.planarPixelsAtOnce : ImageStep.pixelsAtOnce) * channels + 64
  }

  init(_ geometry: ImageGeometry, _ groups: [ScheduledConvolution.Group]) {
    let parameterBytes = Self.parameterBytes
    var imageBytes = [0, 0, 0]
    var windowBytes = [0, 0, 0, 0]
    for group in groups {
      for (index, plan) in group.levels.enumerated() {
        imageBytes[index] = max(imageBytes[index], (plan.paddedChannels + 63) / 64 * 64)
        windowBytes[index] = max(windowBytes[index], plan.kernelScratchBytes)
        windowBytes[2 + index] = max(windowBytes[2 + index], plan.copyBytes)
      }
      let gathered = group.matrix.gather == nil ? 0 : (group.matrix.inputs * 4 + 63) / 64 * 64
      imageBytes[2] = max(imageBytes[2], gathered)
    }
    let start = (parameterBytes + 63) / 64 * 64
    codes = (start, start + imageBytes[0] * ImageStep.pixelsAtOnce)
    gather = codes.1 + imageBytes[1] * ImageStep.pixelsAtOnce
    tight = gather + imageBytes[2]
    kernel = (start, start + windowBytes[0])
    rows = (kernel.1 + windowBytes[1], kernel.1 + windowBytes[1] + windowBytes[2])
    columnSums = rows.1 + windowBytes[3]
    byteCount = max(
      tight + Self.tightBytes(geometry.channels), columnSums + geometry.runColumns * 4
    )
  }
}
