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
  /// Channels of a tap, padded to a tile of what the kernel reads: the level's own weights or the copy.
  let paddedChannels: Int
  /// Channels of a row of a window, padded to a tile.
  let windowRowChannels: Int
  /// The images of codes, and those of sums of codes where these are needed.
  let image: PaddedImage
  let sums: PaddedImage?
  /// Pixels of a piece of a window.
  let piecePixels: Int
  /// Rows of copied windows.
  let rowBytes: Int
  let kernelScratchBytes: Int
  /// The copies of the weights that the kernel reads.
  let windows: DenseWindows?
  let copy: WidenedCodes?

  init(_ matrix: PackedMatrix, level index: Int, _ geometry: ImageGeometry, _ kernels: StepKernels) {
    let level = matrix.levels[index]
    let copies = Self.prefersCopies(matrix, geometry, kernels)
    let together = copies ? geometry.outputPixels : geometry.outputWidth
    let rows = RowClass(rows: min(ConvolutionStep.pixelsAtOnce, together))
    let choice = kernels.choice(matrix, level: index, rows)
    let traits = choice.kernel.traits
    let form = choice.kernel.form
    let stored = StoredLevel(level, panels: matrix.panelCount)
    let copy = choice.copyBits.map { WidenedCodes(stored, bits: $0) }
    let padded = copy?.tapChannels ?? level.paddedChannels
    isDirect = traits.contains(.segments) && geometry.hasWholeRows && !copies
    let dense = (geometry.windowWidth * level.channels + 3) / 4 * 4
    // Behind a row of a dense window lie codes of the next pixel, which only weights of 0 pass over.
    let passesOver = level.level.weight.bits == 8 || !traits.contains(.wordSteps)
    wantsDense =
      isDirect && form == .codes && level.level.weight.layout == .bytes && level.channels == geometry.channels
      && passesOver
      && matrix.levels.count == 1 && matrix.gather == nil && dense < geometry.windowWidth * padded
    isDense = wantsDense && kernels.allowsCopies
    windowRowChannels = isDense ? dense : geometry.windowWidth * padded
    image = PaddedImage(
      geometry: geometry, pixelBytes: isDense ? level.channels : form.pixelBytes(channels: padded),
      planes: form == .bitPlanes ? level.level.activation.bits : 1)
    self.choice = choice
    self.level = level
    self.form = form
    piecePixels = geometry.hasWholeRows ? geometry.windowWidth : 1
    let codeBytes = (level.taps * padded + 63) / 64 * 64
    rowBytes =
      form == .codes
      ? (codeBytes % 4096 == 0 ? codeBytes + 64 : codeBytes) : choice.preparedStride(level)
    kernelScratchBytes = choice.scratchBytes(level)
    // Of bipolar weights and offsets, or for a kernel that may start from them.
    let needsSums =
      level.level.weight.storedConstant != 0 || level.offsets != nil || !traits.contains(.withoutCodeSums)
    sums = needsSums ? PaddedImage(sumsOf: geometry) : nil
    windows =
      isDense
      ? DenseWindows(
        level: stored, windowHeight: geometry.windowHeight, windowWidth: geometry.windowWidth,
        rowChannels: dense) : nil
    self.copy = copy
    paddedChannels = padded
  }

  var forms: [PreparedForm] {
    (windows.map { [.denseWindows($0)] } ?? []) + (copy.map { [.widenedCodes($0)] } ?? [])
  }

  /// Small images with large weights: a call for each image row would fetch the weights anew from the third-level
  /// cache, which costs more than copying windows together. Bipolar codes need a call for each class of border.
  private static func prefersCopies(
    _ matrix: PackedMatrix, _ geometry: ImageGeometry, _ kernels: StepKernels
  ) -> Bool {
    let weightBytes = matrix.levels.reduce(0) { $0 + $1.weights.count }
    let isBipolar = matrix.levels.contains { $0.level.activation.kind == .bipolar }
    // Tiles of 4 rows by one panel read the weights more often than those of AVX-512.
    let widest = kernels.choice(matrix, level: 0, .many).kernel.traits.contains(.wordSteps) ? 14 : 13
    return geometry.outputWidth <= widest && weightBytes > 512 << 10 && !isBipolar
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
