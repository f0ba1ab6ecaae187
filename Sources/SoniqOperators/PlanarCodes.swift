/// Codes that lie plane by plane, a plane for each channel. Here for the same reason as `CodeSums`.
package enum PlanarCodes {
  /// Puts the codes of `count` pixels, in planes `planeStride` apart, side by side into pixels of `stride` bytes; those
  /// behind the channels become 0.
  package static func interleave(
    _ codes: UnsafePointer<UInt8>, planeStride: Int, channels: Int, count: Int,
    into target: UnsafeMutablePointer<UInt8>, stride: Int
  ) {
    var pixel = channels == 3 && stride <= 4 ? interleaveThree(codes, planeStride, count, target, stride) : 0
    while pixel < count {
      for channel in 0..<stride {
        target[pixel &* stride &+ channel] =
          channel < channels ? codes[channel &* planeStride &+ pixel] : 0
      }
      pixel &+= 1
    }
  }

  /// Pixels of three channels in 3 or 4 bytes, 16 at a time; returns how many are done.
  @inline(__always)
  private static func interleaveThree(
    _ codes: UnsafePointer<UInt8>, _ planeStride: Int, _ count: Int, _ target: UnsafeMutablePointer<UInt8>,
    _ stride: Int
  ) -> Int {
    let planes = UnsafeRawPointer(codes)
    var pixel = 0
    // Four bytes are stored at a time: those of a last pixel, which others may stand behind, are left.
    while pixel &+ 16 < count {
      @inline(__always) func load(_ channel: Int) -> SIMD16<UInt32> {
        SIMD16<UInt32>(
          truncatingIfNeeded: planes.loadUnaligned(
            fromByteOffset: channel &* planeStride &+ pixel, as: SIMD16<UInt8>.self))
      }
      let words = load(0) | load(1) &<< 8 | load(2) &<< 16
      let place = UnsafeMutableRawPointer(target + pixel &* stride)
      if stride == 4 {
        place.storeBytes(of: words, as: SIMD16<UInt32>.self)
      } else {
        for lane in 0..<16 { place.storeBytes(of: words[lane], toByteOffset: lane &* 3, as: UInt32.self) }
      }
      pixel &+= 16
    }
    return pixel
  }
}
