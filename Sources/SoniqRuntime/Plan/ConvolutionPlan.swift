import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

/// How one level of a convolution runs: its kernel, and how the images and windows that it reads lie in memory.
struct ConvolutionLevelPlan {
  let choice: MatmulChoice
  let level: MatrixLevel
  let form: ActivationForm
  /// The kernel walks over the image itself.
  let isDirect: Bool
  /// Pixels lie without padding behind each other: with 3 channels a row of a window of 7 is 21 bytes, not 28.
  let isDense: Bool
  /// They would, if weights could be copied.
  let wantsDense: Bool
  /// Channels of a row of a window, padded to a tile.
  let windowRowChannels: Int
  let pixelBytes: Int
  let planeStride: Int
  /// Bytes of one image.
  let imageBytes: Int
  /// Pixel offsets of the pieces of a window, and the pixels of each.
  let pieces: [Int32]
  let piecePixels: Int
  /// Rows of copied windows.
  let rowBytes: Int
  let kernelScratchBytes: Int
  /// Whether the sums of codes are needed: bipolar weights, offsets, or a kernel that may start from them.
  let needsSums: Bool

  init(_ matrix: PackedMatrix, level index: Int, _ geometry: ImageGeometry, _ kernels: StepKernels) {
    let level = matrix.levels[index]
    let copies = Self.prefersCopies(matrix, geometry)
    let together = copies ? geometry.outputPixels : geometry.outputWidth
    let rows = RowClass(rows: min(ConvolutionStep.pixelsAtOnce, together))
    let choice = kernels.choices(matrix, level: index)[rows.rawValue]
    let form = choice.kernel.form
    let padded = level.paddedChannels
    isDirect = choice.kernel.takesSegments && geometry.hasWholeRows && !copies
    let dense = (geometry.windowWidth * level.channels + 3) / 4 * 4
    wantsDense =
      isDirect && form == .codes && level.level.weight.layout == .bytes && level.channels == geometry.channels
      && matrix.levels.count == 1 && matrix.gather == nil && dense < geometry.windowWidth * padded
    isDense = wantsDense && kernels.allowsCopies
    windowRowChannels = isDense ? dense : geometry.windowWidth * padded
    let pixelBytes = isDense ? level.channels : form.pixelBytes(channels: padded)
    let plane = (geometry.pixels * pixelBytes + 63) / 64 * 64
    self.choice = choice
    self.level = level
    self.form = form
    self.pixelBytes = pixelBytes
    planeStride = plane
    // Kernels may read whole vectors behind the last pixel.
    imageBytes = plane * (form == .bitPlanes ? level.level.activation.bits : 1) + 64
    pieces = geometry.pieces
    piecePixels = geometry.hasWholeRows ? geometry.windowWidth : 1
    let codeBytes = (level.storedChannels + 63) / 64 * 64
    rowBytes =
      form == .codes
      ? (codeBytes % 4096 == 0 ? codeBytes + 64 : codeBytes) : kernels.preparedStride(choice, level)
    kernelScratchBytes = kernels.scratchBytes(choice, level)
    needsSums =
      level.level.weight.storedConstant != 0 || level.offsets != nil || !choice.kernel.takesSegments
  }

  /// Small images with large weights: a call for each image row would fetch the weights anew from the third-level
  /// cache, which costs more than copying windows together. Bipolar codes need a call for each class of border.
  private static func prefersCopies(_ matrix: PackedMatrix, _ geometry: ImageGeometry) -> Bool {
    let weightBytes = matrix.levels.reduce(0) { $0 + $1.weights.count }
    let isBipolar = matrix.levels.contains { $0.level.activation.kind == .bipolar }
    return geometry.outputWidth < 14 && weightBytes > 512 << 10 && !isBipolar
  }

  /// The level's bytes for dense pixels.
  func denseWindows(panels: Int, _ geometry: ImageGeometry) -> DenseWindows {
    DenseWindows(
      level: StoredLevel(level, panels: panels), windowHeight: geometry.windowHeight,
      windowWidth: geometry.windowWidth, rowChannels: windowRowChannels)
  }

  /// Bytes of the copied windows of one call.
  var copyBytes: Int { isDirect ? 0 : rowBytes * ConvolutionStep.pixelsAtOnce }
}

extension ActivationForm {
  /// Bytes of some channels of a pixel; of one plane for bit planes.
  func pixelBytes(channels: Int) -> Int {
    switch self {
    case .codes: channels
    case .bitPlanes: channels / 8
    case .tables: channels * 4
    case .halfTables: channels * 8
    }
  }
}

extension ImageGeometry {
  /// The first pixels of the pieces of a window that lie in one go.
  fileprivate var pieces: [Int32] {
    var pieces: [Int32] = []
    for row in 0..<windowHeight {
      let line = row * dilationHeight * paddedWidth
      for column in 0..<(hasWholeRows ? 1 : windowWidth) {
        pieces.append(Int32(truncatingIfNeeded: line + column * dilationWidth))
      }
    }
    return pieces
  }
}

/// A convolution of the schedule: the matrices of its groups and the slots of their images.
struct ScheduledConvolution {
  struct Image {
    var codes: SlotID
    var sums: SlotID?
  }
  let geometry: ImageGeometry
  let matrices: [PackedMatrix]
  /// By group and level.
  var images: [[Image]] = []

  var slots: [SlotID] { images.joined().flatMap { [$0.codes] + ($0.sums.map { [$0] } ?? []) } }
  var groupChannels: Int { geometry.channels / max(1, matrices.count) }
}

/// A depthwise convolution of the schedule.
struct ScheduledDepthwise {
  let geometry: ImageGeometry
  let weights: PackedDepthwise
  let bias: DenseConstant?
  var image = 0
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

  init(_ convolution: ScheduledConvolution, _ kernels: StepKernels) {
    let parameterBytes = Self.parameterBytes
    var imageBytes = [0, 0, 0]
    var windowBytes = [0, 0, 0, 0]
    for matrix in convolution.matrices {
      for index in matrix.levels.indices {
        let plan = ConvolutionLevelPlan(matrix, level: index, convolution.geometry, kernels)
        imageBytes[index] = max(imageBytes[index], (plan.level.paddedChannels + 63) / 64 * 64)
        windowBytes[index] = max(windowBytes[index], plan.kernelScratchBytes)
        windowBytes[2 + index] = max(windowBytes[2 + index], plan.copyBytes)
      }
      if matrix.gather != nil { imageBytes[2] = max(imageBytes[2], (matrix.inputs * 4 + 63) / 64 * 64) }
    }
    let start = (parameterBytes + 63) / 64 * 64
    codes = (start, start + imageBytes[0] * ImageStep.pixelsAtOnce)
    gather = codes.1 + imageBytes[1] * ImageStep.pixelsAtOnce
    tight = gather + imageBytes[2]
    kernel = (start, start + windowBytes[0])
    rows = (kernel.1 + windowBytes[1], kernel.1 + windowBytes[1] + windowBytes[2])
    columnSums = rows.1 + windowBytes[3]
    byteCount = max(
      tight + Self.tightBytes(convolution.geometry.channels), columnSums + convolution.geometry.runColumns * 4
    )
  }
}
