/// Sums of the codes of pixels or rows. Here and not with the steps that call it, because counting bits takes one
/// instruction where the machine's flags say that it has it.
package enum CodeSums {
  /// The sums of `count` pixels from their planes, `pixelBytes` behind each other.
  package static func ofPlanes(
    _ planes: UnsafePointer<UInt8>, count: Int, pixelBytes: Int, planeCount: Int, planeStride: Int,
    into sums: UnsafeMutablePointer<Int32>
  ) {
    for pixel in 0..<count {
      var sum = 0
      for plane in 0..<planeCount {
        let start = planes + (pixel &* pixelBytes &+ plane &* planeStride)
        sum &+= ones(UnsafeRawPointer(start), pixelBytes) &<< plane
      }
      sums[pixel] = Int32(truncatingIfNeeded: sum)
    }
  }

  /// The ones of `count` bytes, a multiple of 4.
  @inline(__always)
  private static func ones(_ words: UnsafeRawPointer, _ count: Int) -> Int {
    var ones = 0
    var byte = 0
    while byte &+ 8 <= count {
      ones &+= words.loadUnaligned(fromByteOffset: byte, as: UInt64.self).nonzeroBitCount
      byte &+= 8
    }
    if byte < count { ones &+= words.loadUnaligned(fromByteOffset: byte, as: UInt32.self).nonzeroBitCount }
    return ones
  }

  /// The sums of `count` pixels of as many codes as they have channels.
  package static func ofPixels(
    _ codes: UnsafePointer<UInt8>, count: Int, channels: Int, into sums: UnsafeMutablePointer<Int32>
  ) {
    for pixel in 0..<count { sums[pixel] = sum(codes + pixel &* channels, channels) }
  }

  /// The sum of `count` codes.
  package static func ofCodes(_ codes: UnsafePointer<UInt8>, _ count: Int) -> Int32 { sum(codes, count) }

  @inline(__always)
  private static func sum(_ codes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    var sums = SIMD8<UInt16>(repeating: 0)
    var total: Int32 = 0
    var place = 0
    while place &+ 16 <= count {
      let bytes = UnsafeRawPointer(codes + place).loadUnaligned(as: SIMD16<UInt8>.self)
      sums &+=
        SIMD8<UInt16>(truncatingIfNeeded: bytes.lowHalf) &+ SIMD8<UInt16>(truncatingIfNeeded: bytes.highHalf)
      place &+= 16
      // 128 additions of two codes stay within 16 bits.
      if place & 2047 == 0 {
        total &+= SIMD8<Int32>(truncatingIfNeeded: sums).wrappedSum()
        sums = SIMD8(repeating: 0)
      }
    }
    total &+= SIMD8<Int32>(truncatingIfNeeded: sums).wrappedSum()
    while place < count {
      total &+= Int32(codes[place])
      place &+= 1
    }
    return total
  }
}
