/// Copies lines of a float image of one channel so that the numbers of neighbouring windows lie side by side, zeros for
/// padding: [row of the window][phase][place], where a phase has every `strideWidth`th column.
struct LineCopy: BitwiseCopyable {
  var geometry: ImageGeometry
  var input: StorageID

  /// Windows that the scratch has room for.
  static let pixelsAtOnce = 128
  private static let maximumBytes = 128 << 10

  /// Whether windows of an image are made of lines.
  static func takes(_ geometry: ImageGeometry) -> Bool {
    geometry.channels == 1 && geometry.strideWidth <= 16 && scratchBytes(geometry) <= maximumBytes
  }

  static func scratchBytes(_ geometry: ImageGeometry) -> Int {
    geometry.windowHeight * geometry.strideWidth * places(geometry, pixels: pixelsAtOnce) * 4
  }

  /// Places of a phase under the windows of some neighbouring pixels.
  private static func places(_ geometry: ImageGeometry, pixels: Int) -> Int {
    pixels + (geometry.windowWidth - 1) * geometry.dilationWidth / geometry.strideWidth
  }

  /// Where the numbers of a tap begin.
  static func tapOffset(_ tap: Int, _ geometry: ImageGeometry) -> Int32 {
    let (row, column) = (tap / geometry.windowWidth, tap % geometry.windowWidth * geometry.dilationWidth)
    let line = row * geometry.strideWidth + column % geometry.strideWidth
    let place = line * places(geometry, pixels: pixelsAtOnce) + column / geometry.strideWidth
    return Int32(truncatingIfNeeded: place)
  }

  /// The lines under the output pixels of a run, at most `pixelsAtOnce`.
  func copy(_ frame: borrowing RunFrame, _ run: PixelRun, _ target: UnsafeMutablePointer<Float>) {
    let source = frame.storages[input]
    let pixels = run.image &* geometry.height &* geometry.width
    let image = source.base.assumingMemoryBound(to: Float.self) + pixels &* source.stride
    let length = Self.places(geometry, pixels: Self.pixelsAtOnce)
    let used = Self.places(geometry, pixels: run.count)
    for tapRow in 0..<geometry.windowHeight {
      let y = run.row &* geometry.strideHeight &+ tapRow &* geometry.dilationHeight &- geometry.top
      let isInside = y >= 0 && y < geometry.height
      for phase in 0..<geometry.strideWidth {
        let place = target + (tapRow &* geometry.strideWidth &+ phase) &* length
        let x = run.column &* geometry.strideWidth &+ phase &- geometry.left
        let low = isInside ? min(used, steps(to: 0, from: x)) : used
        let high = isInside ? max(low, min(used, steps(to: geometry.width, from: x))) : used
        place.update(repeating: 0, count: low)
        // The first column that lies inside; there is none where low is high.
        let first = y &* geometry.width &+ x &+ low &* geometry.strideWidth
        if high > low {
          copy(
            image + first &* source.stride, source.stride &* geometry.strideWidth, place + low, high &- low)
        }
        (place + high).update(repeating: 0, count: used &- high)
      }
    }
  }

  /// Steps of the stride that lead from one column to another or beyond it.
  private func steps(to end: Int, from start: Int) -> Int {
    start >= end ? 0 : (end &- start &+ geometry.strideWidth &- 1) / geometry.strideWidth
  }

  @inline(__always)
  private func copy(
    _ source: UnsafePointer<Float>, _ stride: Int, _ target: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    if stride == 1 { return target.update(from: source, count: count) }
    for position in 0..<count { target[position] = source[position &* stride] }
  }
}
