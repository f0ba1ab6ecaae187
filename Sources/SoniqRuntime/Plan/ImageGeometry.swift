import SoniqGraph

/// A window over images: sizes of the input as it is stored with its padding, and of the output.
struct ImageGeometry: BitwiseCopyable, Hashable {
  var height: Int
  var width: Int
  var channels: Int
  var top: Int
  var left: Int
  var paddedHeight: Int
  var paddedWidth: Int
  var strideHeight: Int
  var strideWidth: Int
  var dilationHeight: Int
  var dilationWidth: Int
  var windowHeight: Int
  var windowWidth: Int
  var outputHeight: Int
  var outputWidth: Int

  /// * shape: [B,H,W,C] of a valid graph: the last three are fixed.
  init(_ window: Window, shape: [Dimension]) {
    let sizes = shape.map { dimension in
      if case .fixed(let size) = dimension { size } else { 1 }
    }
    (height, width, channels) = (sizes[1], sizes[2], sizes[3])
    (top, left) = (window.top, window.left)
    paddedHeight = height + window.top + window.bottom
    paddedWidth = width + window.left + window.right
    (strideHeight, strideWidth) = (window.strideHeight, window.strideWidth)
    (dilationHeight, dilationWidth) = (window.dilationHeight, window.dilationWidth)
    (windowHeight, windowWidth) = (window.height, window.width)
    (outputHeight, outputWidth) = (window.outputHeight(height), window.outputWidth(width))
  }

  var pixels: Int { paddedHeight * paddedWidth }
  var outputPixels: Int { outputHeight * outputWidth }
  var taps: Int { windowHeight * windowWidth }
  /// Columns of the stored image under the windows of as many neighbouring pixels as one call takes.
  var runColumns: Int {
    (ConvolutionStep.pixelsAtOnce - 1) * strideWidth + (windowWidth - 1) * dilationWidth + 1
  }
  /// Pixels of a window's row lie side by side.
  var hasWholeRows: Bool { dilationWidth == 1 }

  /// The stored pixel under the window's first tap.
  @inline(__always)
  func firstPixel(_ outputRow: Int, _ outputColumn: Int) -> Int {
    outputRow &* strideHeight &* paddedWidth &+ outputColumn &* strideWidth
  }

  /// The stored pixel of a run's first one.
  @inline(__always)
  func paddedPixel(_ run: PixelRun) -> Int {
    (run.row &+ top) &* paddedWidth &+ left &+ run.column
  }

  /// The rows of the window, as a range, that are not padding for an output row; columns likewise.
  func validRows(_ outputRow: Int) -> Range<Int> {
    Self.valid(outputRow * strideHeight - top, windowHeight, dilationHeight, height)
  }
  func validColumns(_ outputColumn: Int) -> Range<Int> {
    Self.valid(outputColumn * strideWidth - left, windowWidth, dilationWidth, width)
  }
  private static func valid(_ first: Int, _ taps: Int, _ dilation: Int, _ size: Int) -> Range<Int> {
    let begin = first < 0 ? min(taps, (-first + dilation - 1) / dilation) : 0
    let end = first >= size ? 0 : min(taps, (size - first + dilation - 1) / dilation)
    return begin..<max(begin, end)
  }
}

/// The part of a block of rows (output or input pixels) that lies in one row of one image.
struct PixelRun {
  var image: Int
  var row: Int
  var column: Int
  /// First row of the block, and how many.
  var begin: Int
  var count: Int
}

/// Walks over rows `begin` ..< `end` of a block whose row 0 is pixel `firstPixel`, counted over all images, by the parts
/// that lie in one row of one image and have at most `limit` pixels.
struct PixelRuns {
  private let end: Int
  private let height: Int
  private let width: Int
  private let limit: Int
  private var run: PixelRun

  @inline(__always)
  init(_ rows: Range<Int>, firstPixel: Int, height: Int, width: Int, atMost limit: Int = .max) {
    let first = firstPixel &+ rows.lowerBound
    let line = first / width
    run = PixelRun(
      image: line / height, row: line % height, column: first % width, begin: rows.lowerBound, count: 0)
    end = rows.upperBound
    self.height = height
    self.width = width
    self.limit = limit
  }

  @inline(__always)
  mutating func next() -> PixelRun? {
    guard run.begin < end else { return nil }
    var part = run
    part.count = min(limit, min(end &- run.begin, width &- run.column))
    run.begin &+= part.count
    run.column &+= part.count
    if run.column == width {
      run.column = 0
      run.row &+= 1
      if run.row == height {
        run.row = 0
        run.image &+= 1
      }
    }
    return part
  }
}
