import SoniqCore
import SoniqKernels
import SoniqTestSupport
import Testing

@Suite struct KernelProfileTests {
  static func parse(_ text: [UInt8]) throws(KernelProfileError) -> KernelProfile {
    var result: Result<KernelProfile, KernelProfileError>?
    text.withUnsafeBytes { bytes in
      do throws(KernelProfileError) {
        result = .success(try KernelProfile(parsing: bytes))
      } catch { result = .failure(error) }
    }
    guard let result else { throw KernelProfileError(offset: 0, reason: "not parsed") }
    return try result.get()
  }

  static let small = KernelProfile(
    machine: "a machine", sizes: [.init(channels: 384, outputs: 384), .init(channels: 4096, outputs: 4096)],
    costs: [
      .init(kernel: "one", weightBits: 1, activationBits: 1): Array(1...UInt32(2 * RowClass.allCases.count)),
      .init(kernel: "two", weightBits: 8, activationBits: 8): [UInt32](
        repeating: 7, count: 2 * RowClass.allCases.count),
    ])

  @Test func textComesBackAsItWas() throws {
    for profile in [Self.small, .committed] {
      #expect(try Self.parse(Array(profile.text.utf8)) == profile)
    }
  }

  /// The library's own profile is whole: an unreadable one would be an empty one, and choices guesses.
  @Test func committedProfileHasTheKernelsThatThisCPURuns() {
    let profile = KernelProfile.committed
    #expect(!profile.sizes.isEmpty)
    for kernel in MatmulKernelRegistry.faster where !kernel.requires.contains(.avxVNNI) {
      #expect(profile.costs.keys.contains { $0.kernel == kernel.name }, "\(kernel.name) is not measured")
    }
  }

  @Test func everyTruncationIsAnError() {
    let text = Array(Self.small.text.utf8)
    // Without the last line feed the text is still whole.
    for length in 0..<text.count - 2 {
      #expect(throws: KernelProfileError.self, "\(length) bytes") { try Self.parse(Array(text[..<length])) }
    }
  }

  @Test func everyChangedByteIsAnErrorOrAProfile() {
    let text = Array(Self.small.text.utf8)
    for place in text.indices {
      for value in [UInt8](0...255) {
        var changed = text
        changed[place] = value
        do {
          let profile = try Self.parse(changed)
          let count = profile.sizes.count * RowClass.allCases.count
          #expect(profile.costs.values.allSatisfy { $0.count == count && !$0.contains(0) })
        } catch {
          #expect((0...changed.count).contains(error.offset) && !error.reason.isEmpty)
        }
      }
    }
  }

  @Test(arguments: [
    ("{\"version\": 2,", "version"), ("[]", "'{'"), ("{\"version\": 1, \"machine\": \"a\\n\"", "escape"),
    ("{\"machine\": 1", "\"version\""),
    ("{\"version\": 1, \"machine\": \"m\", \"sizes\": [[0, 4]]", "channels"),
    (String(repeating: " ", count: 1 << 21), "longer"),
  ])
  func errorsSayWhatIsWrong(text: String, words: String) {
    let error = #expect(throws: KernelProfileError.self) { try Self.parse(Array(text.utf8)) }
    #expect(error?.reason.contains(words) == true, "\(error?.reason ?? "no error")")
  }

  @Test func twoEntriesForOneKernelAreRefused() {
    let text = Self.small.text.replacing(
      "\"two\", \"weightBits\": 8, \"activationBits\": 8",
      with: "\"one\", \"weightBits\": 1, \"activationBits\": 1")
    let error = #expect(throws: KernelProfileError.self) { try Self.parse(Array(text.utf8)) }
    #expect(error?.reason.contains("two entries") == true)
  }

  @Test func theNearestSizeCounts() throws {
    let kernel = MatmulKernelRegistry.reference
    var profile = Self.small
    let key = KernelProfile.Key(kernel, weightBits: 8, activationBits: 8)
    profile.costs[key] = RowClass.allCases.flatMap { [UInt32($0.rawValue + 1), UInt32(100 + $0.rawValue)] }
    for rows in RowClass.allCases {
      func cost(_ channels: Int, _ outputs: Int) -> UInt32? {
        profile.cost(
          kernel,
          MatmulShape(weightBits: 8, activationBits: 3, channels: channels, outputs: outputs, rows: rows))
      }
      #expect(cost(32, 1) == UInt32(rows.rawValue + 1) && cost(608, 600) == UInt32(rows.rawValue + 1))
      #expect(cost(3008, 3000) == UInt32(100 + rows.rawValue) && cost(1 << 20, 1 << 20) == cost(3008, 3000))
    }
  }

  /// Channels that the layout pads are multiplied too: 33 cost what 64 do in planes, and in bytes what 36 do.
  @Test func paddingCosts() throws {
    let count = RowClass.allCases.count
    let bits = try #require(MatmulKernelRegistry.faster.first { $0.form == .bitPlanes })
    let bytes = try #require(MatmulKernelRegistry.faster.first { $0.layouts == [.bytes] })
    let profile = KernelProfile(
      machine: "", sizes: [.init(channels: 64, outputs: 64)],
      costs: [
        .init(bits, weightBits: 1, activationBits: 1): [UInt32](repeating: 3300, count: count),
        .init(bytes, weightBits: 8, activationBits: 8): [UInt32](repeating: 3300, count: count),
      ])
    func cost(_ kernel: MatmulKernel, _ bits: Int, _ channels: Int) -> UInt32? {
      profile.cost(
        kernel,
        MatmulShape(weightBits: bits, activationBits: bits, channels: channels, outputs: 64, rows: .one))
    }
    #expect(cost(bits, 1, 64) == 3300 && cost(bits, 1, 33) == 6400)
    #expect(cost(bytes, 8, 64) == 3300 && cost(bytes, 8, 33) == 3600)
  }
}
