import CKernelABI
import SoniqKernels

/// One level of one group of a convolution, with its kernel.
struct ConvolutionLevel: BitwiseCopyable {
  var image: ImageLevel
  var function: snq_matmul_function
  /// Everything but what depends on the rows.
  var arguments: snq_matmul_args
  /// Pixel offsets of the pieces of a window that are read in one go, and their length in bytes (of one plane).
  var pieces: UnsafePointer<Int32>
  var pieceCount: Int
  var pieceBytes: Int
  /// The kernel reads the image itself, else rows that were copied together.
  var isDirect: Bool
  /// Copied rows: bytes between rows and between the planes of a row, and their place in the scratch.
  var rowBytes: Int
  var rowPlaneBytes: Int
  var rows: Int
  /// Scratch of the kernel; negative when it needs none.
  var scratch: Int
  var scale: Float
  var constant: Int32
  /// Bipolar activations: for every class of border (`BorderTables`) the true taps, and the sums of their
  /// stored weights for each output; else nil.
  var classTaps: UnsafePointer<Int32>?
  var classSums: UnsafePointer<Int32>?
  var classStride: Int
  var channels: Int32
}

extension ConvolutionLevel {
  /// Takes the sizes of a run.
  fileprivate mutating func bind(_ geometry: ImageGeometry, _ frame: borrowing RunFrame) {
    image.bind(geometry, frame)
    arguments.codePlaneStride = image.planeStride
    if arguments.segments > 0 { arguments.segmentStride = geometry.tapPixel(1, 0) &* image.pixelBytes }
    let pieces = UnsafeMutablePointer(mutating: pieces)
    for piece in 0..<pieceCount { pieces[piece] = geometry.piecePixel(piece) }
  }
}

struct ConvolutionPart: BitwiseCopyable {
  var levels: UnsafePointer<ConvolutionLevel>
  var levelCount: Int
  /// The first level's function does both.
  var isFused: Bool
  var firstOutput: Int
}

/// Images of codes times a packed convolution, and the activation function on what was just written. Rows are output
/// pixels.
struct ConvolutionStep: RunnableStep {
  static var entry: StepEntry { { ConvolutionStep.answer($0, $1) } }
  var parts: UnsafePointer<ConvolutionPart>
  var partCount: Int
  var geometry: ImageGeometry
  /// No kernel walks over the image, and borders are all alike.
  var isCopied: Bool
  /// Set when some level has bipolar activations.
  var borders: BorderTables?
  var output: StorageID
  /// Codes, as `snq_matmul_args.sink` says, not floats.
  var writesCodes: Bool
  var parameters: Int
  var columnSums: Int
  var rowProducts: Int
  /// Of the only group; 0 when there are several: then a lane does all of them.
  var panelCount: Int
  var partPanels: Int
  var fusedFunction: FusedFunction?
  var outputs: Int

  /// Pixels at a time, which the scratch has room for.
  static let pixelsAtOnce = 64

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { rowProducts }
  var isDynamic: Bool { geometry.isDynamic }

  mutating func bind(_ frame: borrowing RunFrame) {
    geometry.bind(frame)
    borders?.bind(geometry)
    for part in 0..<partCount {
      let levels = UnsafeMutablePointer(mutating: parts[part].levels)
      for level in 0..<parts[part].levelCount { levels[level].bind(geometry, frame) }
    }
  }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ panels: Range<Int>) {
    let target = frame.storages[output]
    let wanted = panelCount > 0 ? panels : 0..<partPanels
    if isCopied {
      multiplyCopies(frame, window, rows, wanted)
    } else {
      multiplyRuns(frame, window, rows, wanted)
    }
    let end = panelCount > 0 ? min(wanted.upperBound * 16, outputs) : outputs
    fusedFunction?.apply(target, window, rows, channels: wanted.lowerBound * 16..<end)
  }

  /// Image row by image row, for kernels that walk over the image or where borders differ.
  private func multiplyRuns(
    _ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ wanted: Range<Int>
  ) {
    let target = frame.storages[output]
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.outputHeight, width: geometry.outputWidth)
    while let run = runs.next() {
      var done = 0
      while done < run.count {
        let piece = piece(run, done)
        for part in 0..<partCount {
          multiply(
            parts + part, frame, window.lane, piece, target.address(window), target.rowBytes, wanted)
        }
        done &+= piece.count
      }
    }
  }

  /// As many pixels at a time as the scratch holds copied windows of, whatever rows of the image they are in.
  private func multiplyCopies(
    _ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ wanted: Range<Int>
  ) {
    let target = frame.storages[output]
    let scratch = frame.scratch + window.lane &* frame.scratchStride
    let parameters = (scratch + self.parameters).assumingMemoryBound(to: snq_row_params.self)
    var begin = rows.lowerBound
    while begin < rows.upperBound {
      let end = min(rows.upperBound, begin &+ Self.pixelsAtOnce)
      let block = PixelRun(image: 0, row: 0, column: 0, begin: begin, count: end &- begin)
      for part in 0..<partCount {
        let (levels, count) = (parts[part].levels, parts[part].levelCount)
        for level in 0..<count { copy(levels + level, level, count, frame, scratch, window, begin..<end) }
        let first = copied(levels, scratch, parameters)
        let second = copied(levels + (count &- 1), scratch, parameters + 1)
        multiply(parts + part, first, second, block, target.address(window), target.rowBytes, wanted)
      }
      begin = end
    }
  }

  /// The arguments of one level for windows that were copied.
  @inline(__always)
  private func copied(
    _ level: UnsafePointer<ConvolutionLevel>, _ scratch: UnsafeMutableRawPointer,
    _ parameters: UnsafePointer<snq_row_params>
  ) -> snq_matmul_args {
    var call = level.pointee.arguments
    call.codes = UnsafePointer((scratch + level.pointee.rows).assumingMemoryBound(to: UInt8.self))
    placeScratch(&call, level, scratch)
    call.rows = parameters
    return call
  }

  /// Copies the windows of one level, and makes the parameters of their rows.
  private func copy(
    _ level: UnsafePointer<ConvolutionLevel>, _ index: Int, _ levelCount: Int, _ frame: borrowing RunFrame,
    _ scratch: UnsafeMutableRawPointer, _ window: RowWindow, _ rows: Range<Int>
  ) {
    let parameters = (scratch + self.parameters).assumingMemoryBound(to: snq_row_params.self) + index
    let target = (scratch + level.pointee.rows).assumingMemoryBound(to: UInt8.self)
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.outputHeight, width: geometry.outputWidth)
    while let run = runs.next() {
      let pixel = geometry.firstPixel(run.row, run.column)
      let first = run.begin &- rows.lowerBound
      let codes =
        UnsafePointer(level.pointee.image.start(frame, image: run.image))
        + pixel &* level.pointee.image.pixelBytes
      copyWindows(level, codes, target + first &* level.pointee.rowBytes, run.count)
      fill(level, frame, scratch, run, pixel, parameters + first &* levelCount, levelCount)
    }
  }

  /// The pixels from `done` on that one call can do: of one border class, and not too many.
  @inline(__always)
  private func piece(_ run: PixelRun, _ done: Int) -> PixelRun {
    var piece = run
    piece.begin = run.begin &+ done
    piece.column = run.column &+ done
    piece.count = min(Self.pixelsAtOnce, run.count &- done)
    if let borders { piece.count = borders.alike(piece.column, atMost: piece.count) }
    return piece
  }

  private func multiply(
    _ part: UnsafePointer<ConvolutionPart>, _ frame: borrowing RunFrame, _ lane: Int, _ run: PixelRun,
    _ output: UnsafeMutableRawPointer, _ rowBytes: Int, _ panels: Range<Int>
  ) {
    let scratch = frame.scratch + lane &* frame.scratchStride
    let parameters = (scratch + self.parameters).assumingMemoryBound(to: snq_row_params.self)
    let levelCount = part.pointee.levelCount
    let first = call(part.pointee.levels, frame, scratch, run, parameters, levelCount)
    let second =
      levelCount == 2
      ? call(part.pointee.levels + 1, frame, scratch, run, parameters + 1, levelCount) : first
    multiply(part, first, second, run, output, rowBytes, panels)
  }

  /// One call, or two, for the rows that `firstLevel` and `secondLevel` describe.
  @inline(__always)
  private func multiply(
    _ part: UnsafePointer<ConvolutionPart>, _ firstLevel: snq_matmul_args, _ secondLevel: snq_matmul_args,
    _ run: PixelRun, _ output: UnsafeMutableRawPointer, _ rowBytes: Int, _ panels: Range<Int>
  ) {
    let levels = part.pointee.levels
    var (first, second) = (firstLevel, secondLevel)
    let start = output + run.begin &* rowBytes
    first.output = start.assumingMemoryBound(to: Float.self) + part.pointee.firstOutput
    first.outputStride = rowBytes &>> 2
    if writesCodes {
      first.sink.codes = start.assumingMemoryBound(to: UInt8.self) + part.pointee.firstOutput
      first.sink.codeStride = rowBytes
    }
    let (rowEnd, panelBegin, panelEnd) = (
      UInt32(truncatingIfNeeded: run.count), UInt32(panels.lowerBound), UInt32(panels.upperBound)
    )
    guard part.pointee.levelCount == 2 else {
      return levels.pointee.function(&first, 0, rowEnd, panelBegin, panelEnd)
    }
    second.output = first.output
    second.outputStride = first.outputStride
    if part.pointee.isFused {
      withUnsafePointer(to: &second) { next in
        first.next = next
        levels.pointee.function(&first, 0, rowEnd, panelBegin, panelEnd)
      }
    } else {
      levels.pointee.function(&first, 0, rowEnd, panelBegin, panelEnd)
      levels[1].function(&second, 0, rowEnd, panelBegin, panelEnd)
    }
  }

  /// The arguments of one level for a run of output pixels, but for the outputs.
  @inline(__always)
  private func call(
    _ level: UnsafePointer<ConvolutionLevel>, _ frame: borrowing RunFrame, _ scratch: UnsafeMutableRawPointer,
    _ run: PixelRun, _ parameters: UnsafeMutablePointer<snq_row_params>, _ stride: Int
  ) -> snq_matmul_args {
    var call = level.pointee.arguments
    let pixel = geometry.firstPixel(run.row, run.column)
    let image = UnsafePointer(level.pointee.image.start(frame, image: run.image))
    let codes = image + pixel &* level.pointee.image.pixelBytes
    if level.pointee.isDirect {
      call.codes = codes
    } else {
      let rows = (scratch + level.pointee.rows).assumingMemoryBound(to: UInt8.self)
      copyWindows(level, codes, rows, run.count)
      call.codes = UnsafePointer(rows)
    }
    placeScratch(&call, level, scratch)
    call.rows = UnsafePointer(parameters)
    if let borders, let classSums = level.pointee.classSums, let taps = level.pointee.classTaps {
      let kind = borders.kind(run.row, run.column)
      call.storedSum = classSums + kind &* level.pointee.classStride
      call.channels = UInt32(truncatingIfNeeded: taps[kind] &* level.pointee.channels)
    }
    fill(level, frame, scratch, run, pixel, parameters, stride)
    return call
  }

  @inline(__always)
  private func placeScratch(
    _ call: inout snq_matmul_args, _ level: UnsafePointer<ConvolutionLevel>,
    _ scratch: UnsafeMutableRawPointer
  ) {
    if level.pointee.scratch >= 0 {
      call.scratch = (scratch + level.pointee.scratch).assumingMemoryBound(to: UInt8.self)
    }
  }

  /// The parameters of the rows of a run of output pixels: one for all of them where no sums are asked for.
  @inline(__always)
  private func fill(
    _ level: UnsafePointer<ConvolutionLevel>, _ frame: borrowing RunFrame, _ scratch: UnsafeMutableRawPointer,
    _ run: PixelRun, _ pixel: Int, _ parameters: UnsafeMutablePointer<snq_row_params>, _ stride: Int
  ) {
    let common = snq_row_params(
      scale: level.pointee.scale, constant: level.pointee.constant, codeSum: 0)
    if let sums = level.pointee.image.sumStart(frame, image: run.image) {
      let columns = (scratch + columnSums).assumingMemoryBound(to: Int32.self)
      sumWindows(sums + pixel, columns, common, parameters, stride, run.count)
    } else {
      parameters.pointee = common
    }
  }

  /// The sums of the codes of neighbouring windows, padding included: it counts as what it stands for. First down the
  /// rows of the windows, which they share, then along them.
  @inline(__always)
  private func sumWindows(
    _ first: UnsafePointer<Int32>, _ columns: UnsafeMutablePointer<Int32>, _ common: snq_row_params,
    _ parameters: UnsafeMutablePointer<snq_row_params>, _ stride: Int, _ count: Int
  ) {
    let width =
      (count &- 1) &* geometry.strideWidth &+ (geometry.windowWidth &- 1) &* geometry.dilationWidth &+ 1
    let step = geometry.dilationHeight &* geometry.paddedWidth
    var column = 0
    while column &+ 8 <= width {
      let place = first + column
      var sum = Self.load(place)
      for row in 1..<max(1, geometry.windowHeight) { sum &+= Self.load(place + row &* step) }
      UnsafeMutableRawPointer(columns + column).storeBytes(of: sum, as: SIMD8<Int32>.self)
      column &+= 8
    }
    while column < width {
      var sum = first[column]
      for row in 1..<max(1, geometry.windowHeight) { sum &+= first[column &+ row &* step] }
      columns[column] = sum
      column &+= 1
    }
    var row = 0
    if geometry.strideWidth == 1 {
      while row &+ 8 <= count {
        var sum = Self.load(columns + row)
        for column in 1..<max(1, geometry.windowWidth) {
          sum &+= Self.load(columns + (row &+ column &* geometry.dilationWidth))
        }
        for lane in 0..<8 {
          parameters[(row &+ lane) &* stride] = snq_row_params(
            scale: common.scale, constant: common.constant, codeSum: sum[lane])
        }
        row &+= 8
      }
    }
    while row < count {
      let start = columns + row &* geometry.strideWidth
      var sum: Int32 = 0
      for column in 0..<geometry.windowWidth { sum &+= start[column &* geometry.dilationWidth] }
      parameters[row &* stride] = snq_row_params(
        scale: common.scale, constant: common.constant, codeSum: sum)
      row &+= 1
    }
  }

  @inline(__always)
  private static func load(_ place: UnsafePointer<Int32>) -> SIMD8<Int32> {
    UnsafeRawPointer(place).loadUnaligned(as: SIMD8<Int32>.self)
  }

  /// The windows of neighbouring pixels as rows, for kernels that want a row in one piece.
  private func copyWindows(
    _ level: UnsafePointer<ConvolutionLevel>, _ codes: UnsafePointer<UInt8>,
    _ target: UnsafeMutablePointer<UInt8>, _ count: Int
  ) {
    let step = geometry.strideWidth &* level.pointee.image.pixelBytes
    let planes = level.pointee.image.form == UInt32(SNQ_BIT_PLANES) ? level.pointee.image.activationBits : 1
    for row in 0..<count {
      for plane in 0..<planes {
        let source = codes + (row &* step &+ plane &* level.pointee.image.planeStride)
        var place = UnsafeMutableRawPointer(
          target + (row &* level.pointee.rowBytes &+ plane &* level.pointee.rowPlaneBytes))
        for piece in 0..<level.pointee.pieceCount {
          let offset = Int(level.pointee.pieces[piece]) &* level.pointee.image.pixelBytes
          place.copyMemory(from: source + offset, byteCount: level.pointee.pieceBytes)
          place += level.pointee.pieceBytes
        }
      }
    }
  }
}
