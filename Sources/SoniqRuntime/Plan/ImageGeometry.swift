import SoniqGraph

/// A window over images: sizes of the input as it is stored with its padding, and of the output. Where the height or width
/// is a symbol, the sizes are the most that can be until `bind` takes those of a run.
struct ImageGeometry: BitwiseCopyable, Hashable {
  let window: Window
  private let heightReference: SizeReference
  private let widthReference: SizeReference
  private(set) var height: Int
  private(set) var width: Int
  let channels: Int
  private(set) var paddedHeight: Int
  private(set) var paddedWidth: Int
  private(set) var outputHeight: Int
  private(set) var outputWidth: Int

  /// - Parameters:
  ///   - window: of a valid graph.
  ///   - shape: [B,H,W,C], C fixed.
  ///   - maximums: by symbol.
  init(_ window: Window, shape: [Dimension], maximums: [Int]) {
    self.window = window
    (heightReference, widthReference) = (shape[1].sizeReference, shape[2].sizeReference)
    channels = shape[3].fixedSize
    (height, width, paddedHeight, paddedWidth, outputHeight, outputWidth) = (0, 0, 0, 0, 0, 0)
    bind { maximums[$0] }
  }

  var isDynamic: Bool { heightReference >= 0 || widthReference >= 0 }

  /// Takes other sizes of the symbols.
  @inline(__always)
  mutating func bind(_ size: (Int) -> Int) {
    height = heightReference < 0 ? -heightReference : size(heightReference)
    width = widthReference < 0 ? -widthReference : size(widthReference)
    paddedHeight = height + window.top + window.bottom
    paddedWidth = width + window.left + window.right
    (outputHeight, outputWidth) = (window.outputHeight(height), window.outputWidth(width))
  }

  /// The same for the sizes of a run.
  mutating func bind(_ frame: borrowing RunFrame) {
    let sizes = frame.sizes
    bind { sizes[$0] }
  }

  var top: Int { window.top }
  var left: Int { window.left }
  var strideHeight: Int { window.strideHeight }
  var strideWidth: Int { window.strideWidth }
  var dilationHeight: Int { window.dilationHeight }
  var dilationWidth: Int { window.dilationWidth }
  var windowHeight: Int { window.height }
  var windowWidth: Int { window.width }
  /// Far below 2^63: see `maximumImageSide`.
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

  /// The stored pixel of a tap, counted from the one under the first tap.
  @inline(__always)
  func tapPixel(_ row: Int, _ column: Int) -> Int {
    row &* dilationHeight &* paddedWidth &+ column &* dilationWidth
  }

  /// Pieces of a window that lie in one go.
  var pieceCount: Int { windowHeight * piecesOfRow }
  private var piecesOfRow: Int { hasWholeRows ? 1 : windowWidth }
  /// The first pixel of a piece, counted from the one under the first tap.
  func piecePixel(_ index: Int) -> Int32 {
    Int32(truncatingIfNeeded: tapPixel(index / piecesOfRow, index % piecesOfRow))
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
