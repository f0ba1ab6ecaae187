/// Sums of the codes of a pixel or row.
enum CodeSums {
  /// The sum of a pixel's codes from their planes.
  @inline(__always)
  static func ofPlanes(_ planes: UnsafePointer<UInt8>, _ level: ImageLevel) -> Int32 {
    var sum = 0
    for plane in 0..<level.activationBits {
      let words = UnsafeRawPointer(planes + plane &* level.planeStride)
      var count = 0
      var byte = 0
      while byte &+ 8 <= level.pixelBytes {
        count &+= words.loadUnaligned(fromByteOffset: byte, as: UInt64.self).nonzeroBitCount
        byte &+= 8
      }
      if byte < level.pixelBytes {
        count &+= words.loadUnaligned(fromByteOffset: byte, as: UInt32.self).nonzeroBitCount
      }
      sum &+= count &<< plane
    }
    return Int32(truncatingIfNeeded: sum)
  }

  /// The sum of `count` codes.
  @inline(__always)
  static func ofCodes(_ codes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
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
