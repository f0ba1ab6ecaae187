/// Copies windows of a float image together, [tap][channel], zeros for padding.
struct WindowCopy: BitwiseCopyable {
  var geometry: ImageGeometry
  /// Channels of a group.
  var channels: Int
  var input: StorageID

  /// Windows that the scratch has room for.
  static let pixelsAtOnce = 8

  static func scratchBytes(_ geometry: ImageGeometry) -> Int {
    pixelsAtOnce * geometry.taps * geometry.channels * 4
  }

  /// The windows of the output pixels of a run, at most `pixelsAtOnce`.
  func copy(
    _ frame: borrowing RunFrame, _ run: PixelRun, firstChannel: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    let source = frame.storages[input]
    let pixels = run.image &* geometry.height &* geometry.width
    let image = source.base.assumingMemoryBound(to: Float.self) + pixels &* source.stride + firstChannel
    var place = target
    for column in run.column..<run.column &+ run.count {
      for tapRow in 0..<geometry.windowHeight {
        let y = run.row &* geometry.strideHeight &+ tapRow &* geometry.dilationHeight &- geometry.top
        for tapColumn in 0..<geometry.windowWidth {
          let x = column &* geometry.strideWidth &+ tapColumn &* geometry.dilationWidth &- geometry.left
          if y >= 0, y < geometry.height, x >= 0, x < geometry.width {
            place.update(from: image + (y &* geometry.width &+ x) &* source.stride, count: channels)
          } else {
            place.update(repeating: 0, count: channels)
          }
          place += channels
        }
      }
    }
  }
}
