import SoniqOperators
import SoniqTestSupport
import Testing

@Suite struct CodeSumsTests {
  @Test(arguments: [1, 3, 15, 16, 17, 64, 2048, 2065, 5000])
  func ofCodes(channels: Int) {
    var generator = SeededGenerator(seed: UInt64(channels))
    // All of the largest, then any.
    for codes in [
      [UInt8](repeating: 255, count: 3 * channels),
      (0..<3 * channels).map { _ in UInt8.random(in: 0...255, using: &generator) },
    ] {
      let expected = (0..<3).map { pixel in
        codes[pixel * channels..<(pixel + 1) * channels].reduce(Int32(0)) { $0 + Int32($1) }
      }
      var sums = [Int32](repeating: -1, count: 3)
      CodeSums.ofPixels(codes, count: 3, channels: channels, into: &sums)
      #expect(sums == expected)
      #expect(CodeSums.ofCodes(codes, channels) == expected[0])
    }
  }

  @Test(arguments: [4, 8, 12, 64], [1, 2, 4])
  func ofPlanes(pixelBytes: Int, planes: Int) {
    var generator = SeededGenerator(seed: UInt64(pixelBytes * 8 + planes))
    let stride = 5 * pixelBytes
    let bytes = (0..<planes * stride).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let expected = (0..<5).map { pixel in
      (0..<planes).reduce(Int32(0)) { sum, plane in
        let begin = plane * stride + pixel * pixelBytes
        return bytes[begin..<begin + pixelBytes].reduce(sum) { $0 + Int32($1.nonzeroBitCount) << plane }
      }
    }
    var sums = [Int32](repeating: -1, count: 5)
    CodeSums.ofPlanes(
      bytes, count: 5, pixelBytes: pixelBytes, planeCount: planes, planeStride: stride, into: &sums)
    #expect(sums == expected)
  }

  /// Nothing behind the pixels is touched.
  @Test(arguments: [(1, 4), (3, 3), (3, 4), (3, 16), (5, 8)], [1, 15, 16, 17, 33, 40])
  func interleaves(layout: (channels: Int, stride: Int), count: Int) {
    var generator = SeededGenerator(seed: UInt64(layout.channels * 100 + count))
    let codes = (0..<layout.channels * 64).map { _ in UInt8.random(in: 0...255, using: &generator) }
    var target = [UInt8](repeating: 0xa5, count: count * layout.stride + 8)
    PlanarCodes.interleave(
      codes, planeStride: 64, channels: layout.channels, count: count, into: &target, stride: layout.stride)
    for pixel in 0..<count {
      for channel in 0..<layout.stride {
        let expected = channel < layout.channels ? codes[channel * 64 + pixel] : 0
        #expect(target[pixel * layout.stride + channel] == expected, "pixel \(pixel), channel \(channel)")
      }
    }
    #expect(target[(count * layout.stride)...].allSatisfy { $0 == 0xa5 })
  }
}
