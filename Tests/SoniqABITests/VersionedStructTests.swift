import CSoniq
import Testing

@testable import SoniqABI

@Suite struct VersionedStructTests {
  /// The caller's bytes: struct_size, abi_version, then the rest.
  private func read(size: UInt32, version: UInt32 = 0, poke: [Int: UInt8] = [:]) throws
    -> soniq_model_options?
  {
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 8)
    defer { bytes.deallocate() }
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
    bytes.storeBytes(of: size, as: UInt32.self)
    bytes.storeBytes(of: version, toByteOffset: 4, as: UInt32.self)
    for (offset, value) in poke { bytes.storeBytes(of: value, toByteOffset: offset, as: UInt8.self) }
    return try VersionedStruct.read(
      UnsafePointer(bytes.assumingMemoryBound(to: soniq_model_options.self)),
      defaults: soniq_model_options(), "options")
  }

  private func status(_ body: () throws -> Void) -> Status? {
    do { try body() } catch { return (error as? Failure)?.status }
    return nil
  }

  @Test func nullIsNothing() throws {
    let options = try VersionedStruct.read(nil, defaults: soniq_model_options(), "options")
    #expect(options?.struct_size == nil)
  }

  @Test(arguments: [0, 1, 4, 7, 9, 12, 4104, UInt32.max])
  func impossibleSizes(size: UInt32) {
    #expect(status { _ = try read(size: size) } == .invalidArgument)
  }

  @Test func olderStructsLeaveTheRestAtItsDefault() throws {
    let options = try #require(try read(size: 16, poke: [8: 1, 16: 0xff]))
    #expect(options.flags == 1 && options.log == nil)
  }

  @Test func newerStructsMustLeaveUnknownFieldsAtZero() throws {
    #expect(try read(size: 4096)?.struct_size == 4096)
    #expect(status { _ = try read(size: 64, poke: [63: 1]) } == .unsupported)
    #expect(status { _ = try read(size: 64, poke: [64: 1]) } == nil)
  }

  @Test func newerHeadersAreRefused() {
    #expect(status { _ = try read(size: 48, version: UInt32(SONIQ_ABI_VERSION)) } == nil)
    #expect(status { _ = try read(size: 48, version: UInt32(SONIQ_ABI_VERSION) + 1) } == .version)
  }
}
