import SoniqTestSupport
import Testing

import SoniqCore

@Suite struct XXHash64Tests {
  /// The bytes of xxHash's own sanity check: the upper byte of a generator that multiplies by a prime.
  static let sanityBuffer: [UInt8] = {
    var state: UInt64 = 2_654_435_761
    return (0..<222).map { _ in
      defer { state &*= 11_400_714_785_074_694_797 }
      return UInt8(state >> 56)
    }
  }()
  static let prime32: UInt64 = 2_654_435_761

  /// From the table of xxHash's sanity check: length, seed, hash.
  static let publishedHashes: [(length: Int, seed: UInt64, hash: UInt64)] = [
    (0, 0, 0xef46_db37_51d8_e999), (0, prime32, 0xac75_fda2_929b_17ef), (1, 0, 0xe934_a84a_db05_2768),
    (1, prime32, 0x5014_6076_43a9_b4c3), (4, 0, 0x9136_a0dc_a574_57ee), (14, 0, 0x8282_dcc4_994e_35c8),
    (14, prime32, 0xc3bd_6bf6_3deb_6df0), (222, 0, 0xb641_ae8c_b691_c174),
    (222, prime32, 0x20cb_8ab7_ae10_c14a),
  ]

  @Test(arguments: publishedHashes)
  func sanityTable(length: Int, seed: UInt64, expected: UInt64) {
    let hash = Self.sanityBuffer.withUnsafeBytes {
      XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0[..<length]), seed: seed)
    }
    #expect(hash == expected)
  }

  static let knownTexts: [(text: String, hash: UInt64)] = [
    ("a", 0xd24e_c4f1_a98c_6e5b), ("as", 0x1c33_0fb2_d66b_e179), ("asd", 0x631c_37ce_72a9_7393),
    ("asdf", 0x4158_72f5_99ce_a71e), ("abc", 0x44bc_2cf5_ad77_0999),
    ("Call me Ishmael. Some years ago--never mind how long precisely-", 0x02a2_e854_70d6_fd96),
  ]

  @Test(arguments: knownTexts)
  func texts(text: String, expected: UInt64) {
    #expect(Array(text.utf8).withUnsafeBytes { XXHash64.hash($0) } == expected)
  }

  @Test func everyByteCounts() {
    var bytes = [UInt8](repeating: 7, count: 100)
    let reference = bytes.withUnsafeBytes { XXHash64.hash($0) }
    for index in bytes.indices {
      bytes[index] ^= 1
      #expect(bytes.withUnsafeBytes { XXHash64.hash($0) } != reference)
      bytes[index] ^= 1
    }
  }
}
