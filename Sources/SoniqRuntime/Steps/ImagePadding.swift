import CKernelABI

extension ImageLevel {
  /// Makes pixels padding.
  func pad(_ frame: borrowing RunFrame, image: Int, _ pixel: Int, count: Int) {
    guard count > 0 else { return }
    let start = start(frame, image: image) + pixel &* pixelBytes
    let bytes = count &* pixelBytes
    switch Int(form) {
    case SNQ_BIT_PLANES:
      for plane in 0..<activationBits {
        let bit = paddingCode &>> UInt8(truncatingIfNeeded: plane) & 1
        fill(start + plane &* planeStride, bytes, bit == 1 ? 255 : 0)
      }
    case SNQ_CODES:
      fill(start, bytes, 0)
      if paddingCode != 0 {
        for pixel in 0..<count { fill(start + pixel &* pixelBytes, channels, paddingCode) }
      }
    default: padTables(start, bytes)
    }
    if let sums = sumStart(frame, image: image) {
      for place in pixel..<pixel &+ count { sums[place] = paddingSum }
    }
  }

  @inline(__always)
  private func fill(_ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ value: UInt8) {
    UnsafeMutableRawPointer(start).initializeMemory(as: UInt8.self, repeating: value, count: count)
  }

  /// Tables of 16 sums each; with halves, 8 tables of the lower 4 bits and then 8 of the upper.
  private func padTables(_ start: UnsafeMutablePointer<UInt8>, _ bytes: Int) {
    if paddingCode == 0 { return fill(start, bytes, 0) }
    let isHalved = form == UInt32(SNQ_HALF_TABLES)
    for byte in 0..<bytes {
      let code = !isHalved ? paddingCode : byte & 128 == 0 ? paddingCode & 15 : paddingCode &>> 4
      start[byte] = code &* UInt8(truncatingIfNeeded: (byte & 15).nonzeroBitCount)
    }
  }
}

extension ImageStep {
  /// The padding around a part of an image row: the ends of the row, and above the first and below the last row.
  func pad(_ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame, _ run: PixelRun) {
    pad(part.pointee.levels.0, frame, run)
    if part.pointee.arguments.levelCount == 2 { pad(part.pointee.levels.1, frame, run) }
  }

  private func pad(_ level: ImageLevel, _ frame: borrowing RunFrame, _ run: PixelRun) {
    let width = geometry.paddedWidth
    let begin = run.column == 0 ? 0 : geometry.left &+ run.column
    let end = run.column &+ run.count == geometry.width ? width : geometry.left &+ run.column &+ run.count
    let line = (run.row &+ geometry.top) &* width
    if begin == 0 { level.pad(frame, image: run.image, line, count: geometry.left) }
    if end == width {
      let right = geometry.left &+ geometry.width
      level.pad(frame, image: run.image, line &+ right, count: width &- right)
    }
    if run.row == 0 {
      for row in 0..<geometry.top {
        level.pad(frame, image: run.image, row &* width &+ begin, count: end &- begin)
      }
    }
    if run.row == geometry.height &- 1 {
      for row in geometry.top &+ geometry.height..<geometry.paddedHeight {
        level.pad(frame, image: run.image, row &* width &+ begin, count: end &- begin)
      }
    }
  }
}
