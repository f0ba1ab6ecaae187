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
    for profile in [Self.small] + ThisArchitecture.families.map(\.costs.profile) {
      #expect(try Self.parse(Array(profile.text.utf8)) == profile)
    }
  }

  /// The library's own profiles are whole: an unreadable one would be an empty one, and choices guesses.
  @Test func familiesHaveCosts() {
    for family in ThisArchitecture.families {
      let profile = family.costs.profile
      #expect(!profile.sizes.isEmpty && !profile.costs.isEmpty, "\(family.name)")
      #expect(family.costs.isDerived || !profile.machine.isEmpty)
    }
  }

  @Test func everyCPUHasAFamily() {
    let last = ThisArchitecture.families[ThisArchitecture.families.count - 1]
    #expect(last.matches(CPUIdentity(vendor: "", family: 0), []))
    #expect(KernelProfile.committed == CPUFamily.own.costs.profile)
  }

  @Test func derivedCostsAreThoseOfOthersTimesAFactor() {
    let base = CostTable(measured: Self.small.text)
    let derived = CostTable(
      derivedFrom: base, [.init("one", perCent: 50), .init("three", perCent: 200, like: "two")])
    #expect(derived.isDerived && !base.isDerived)
    let (costs, old) = (derived.profile.costs, Self.small.costs)
    func key(_ kernel: String, _ bits: Int) -> KernelProfile.Key {
      .init(kernel: kernel, weightBits: bits, activationBits: bits)
    }
    #expect(costs.count == 3 && costs[key("two", 8)] == old[key("two", 8)])
    #expect(costs[key("one", 1)] == old[key("one", 1)]?.map { max(1, $0 / 2) })
    #expect(costs[key("three", 8)] == old[key("two", 8)]?.map { $0 * 2 })
  }

  /// Each tap is padded, and an image is prepared once for all of them.
  @Test func windowsCostWhatTheirTapsDo() throws {
    let count = RowClass.allCases.count
    let kernel = try #require(
      MatmulKernelRegistry.faster.first { $0.form == .tables && $0.traits.contains(.segments) })
    let preparing = try #require(KernelProfile.Key(preparing: .tables, activationBits: 2))
    let profile = KernelProfile(
      machine: "", sizes: [.init(channels: 288, outputs: 10)],
      costs: [
        .init(kernel, weightBits: 2, activationBits: 2): [UInt32](repeating: 5000, count: count),
        preparing: [UInt32](repeating: 20000, count: count - 1) + [18000],
      ])
    func cost(_ channels: Int, _ taps: Int) -> UInt32? {
      profile.cost(
        kernel,
        MatmulShape(
          weightBits: 2, activationBits: 2, channels: channels, taps: taps, outputs: 10, rows: .eight))
    }
    #expect(cost(288, 1) == 5000)
    // (20000 - 18000 / 9) / 10 less.
    #expect(cost(288, 9) == 3200 && cost(144, 9) == 6400)
    #expect(KernelProfile.Key(preparing: .codes, activationBits: 8) == nil)
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
