import SoniqGraph

/// The taps of a window that lie on the image, in one direction. Bipolar codes have no code for 0, so the sums that correct
/// a dot product must be those of the true taps alone: outputs of one class have the same true taps.
struct BorderAxis: BitwiseCopyable, Hashable {
  private let taps: Int
  private let stride: Int
  private let dilation: Int
  private let before: Int
  private let after: Int
  /// Of the image; nil when a run says it, and the classes are those of all sizes.
  private let size: Int?

  init(rows geometry: ImageGeometry) {
    let window = geometry.window
    (taps, stride, dilation) = (window.height, window.strideHeight, window.dilationHeight)
    (before, after) = (window.top, window.bottom)
    size = geometry.isDynamic ? nil : geometry.height
  }

  init(columns geometry: ImageGeometry) {
    let window = geometry.window
    (taps, stride, dilation) = (window.width, window.strideWidth, window.dilationWidth)
    (before, after) = (window.left, window.right)
    size = geometry.isDynamic ? nil : geometry.width
  }

  /// The most taps in front of an image, and the first that can be the end: the window of the last output begins so early
  /// that its last tap is on the image or in the padding behind it.
  private var mostSkipped: Int { min(taps, Self.rounded(before, dilation)) }
  private var leastEnd: Int { min(taps, Self.rounded(dilation * (taps - 1) + 1 - after, dilation)) }
  /// Quotients rounded up, of what is below 0 as well.
  private static func rounded(_ places: Int, _ dilation: Int) -> Int {
    places <= 0 ? 0 : (places + dilation - 1) / dilation
  }

  /// The taps on the image, of an output's window.
  func range(_ output: Int, size: Int) -> Range<Int> {
    let first = output * stride - before
    let begin = min(taps, Self.rounded(-first, dilation))
    return begin..<max(begin, min(taps, Self.rounded(size - first, dilation)))
  }

  /// Of each class: those that occur, in the order of the outputs, or those of every size.
  var classes: [Range<Int>] {
    guard let size else {
      return (0...mostSkipped).flatMap { begin in
        (leastEnd...taps).reversed().map { begin..<max(begin, $0) }
      }
    }
    let room = before + size + after - dilation * (taps - 1) - 1
    var known: [Range<Int>] = []
    for output in 0..<(room < 0 ? 0 : room / stride + 1) {
      let range = range(output, size: size)
      if !known.contains(range) { known.append(range) }
    }
    return known
  }

  var classCount: Int { size == nil ? (mostSkipped + 1) * (taps - leastEnd + 1) : classes.count }

  /// The place in `classes` of those of every size.
  func index(_ range: Range<Int>) -> UInt32 {
    UInt32(truncatingIfNeeded: range.lowerBound * (taps - leastEnd + 1) + taps - range.upperBound)
  }
}

/// The classes of a convolution's output rows and columns, where a step finds them.
struct BorderTables: BitwiseCopyable {
  private let rows: UnsafeMutablePointer<UInt32>
  private let columns: UnsafeMutablePointer<UInt32>
  private let columnClasses: Int
  private let rowAxis: BorderAxis
  private let columnAxis: BorderAxis

  /// Room for the outputs of `geometry`, and their classes unless a run has other sizes.
  init(_ geometry: ImageGeometry, _ memory: PlanMemory) throws(RuntimeError) {
    (rowAxis, columnAxis) = (BorderAxis(rows: geometry), BorderAxis(columns: geometry))
    rows = try memory.store(repeating: 0, count: geometry.outputHeight)
    columns = try memory.store(repeating: 0, count: geometry.outputWidth)
    columnClasses = columnAxis.classCount
    guard !geometry.isDynamic else { return }
    Self.look(up: rowAxis, size: geometry.height, rows, geometry.outputHeight)
    Self.look(up: columnAxis, size: geometry.width, columns, geometry.outputWidth)
  }

  private static func look(
    up axis: BorderAxis, size: Int, _ table: UnsafeMutablePointer<UInt32>, _ count: Int
  ) {
    let classes = axis.classes
    for output in 0..<count {
      let index = classes.firstIndex(of: axis.range(output, size: size)) ?? 0
      table[output] = UInt32(truncatingIfNeeded: index)
    }
  }

  /// Takes the sizes of a run.
  func bind(_ geometry: ImageGeometry) {
    for row in 0..<geometry.outputHeight {
      rows[row] = rowAxis.index(rowAxis.range(row, size: geometry.height))
    }
    for column in 0..<geometry.outputWidth {
      columns[column] = columnAxis.index(columnAxis.range(column, size: geometry.width))
    }
  }

  /// The class of an output pixel.
  @inline(__always)
  func kind(_ row: Int, _ column: Int) -> Int { Int(rows[row]) &* columnClasses &+ Int(columns[column]) }

  /// How many of the columns from one on are of its class.
  @inline(__always)
  func alike(_ column: Int, atMost most: Int) -> Int {
    let kind = columns[column]
    var count = 1
    while count < most, columns[column &+ count] == kind { count &+= 1 }
    return count
  }
}
