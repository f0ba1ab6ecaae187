import CSoniq
import Testing

@Suite struct LibraryTests {
  @Test func versionIsThatOfTheHeader() throws {
    let version = String(cString: try #require(soniq_version()))
    #expect(version == "\(SONIQ_VERSION_MAJOR).\(SONIQ_VERSION_MINOR).\(SONIQ_VERSION_PATCH)")
    #expect(soniq_abi_version() == UInt32(SONIQ_ABI_VERSION))
    let build = String(cString: try #require(soniq_build_info()))
    #expect(build.contains("soniq \(version)") && build.contains("jemalloc 5"))
  }

  /// The numbers that programs out there were compiled with.
  @Test(arguments: [
    (SONIQ_OK, 0, "OK"), (SONIQ_ERROR_INVALID_ARGUMENT, -10, "INVALID_ARGUMENT"),
    (SONIQ_ERROR_INVALID_HANDLE, -11, "INVALID_HANDLE"), (SONIQ_ERROR_NOT_FOUND, -12, "NOT_FOUND"),
    (SONIQ_ERROR_OUT_OF_MEMORY, -20, "OUT_OF_MEMORY"), (SONIQ_ERROR_IO, -30, "IO"),
    (SONIQ_ERROR_FORMAT, -40, "FORMAT"), (SONIQ_ERROR_CHECKSUM, -41, "CHECKSUM"),
    (SONIQ_ERROR_UNSUPPORTED, -50, "UNSUPPORTED"), (SONIQ_ERROR_VERSION, -51, "VERSION"),
    (SONIQ_ERROR_SHAPE, -60, "SHAPE"), (SONIQ_ERROR_ELEMENT_TYPE, -61, "ELEMENT_TYPE"),
    (SONIQ_ERROR_DATA, -62, "DATA"), (SONIQ_ERROR_STATE, -70, "STATE"),
    (SONIQ_ERROR_CAPACITY, -71, "CAPACITY"),
    (SONIQ_ERROR_CANCELLED, -80, "CANCELLED"), (SONIQ_ERROR_INTERNAL, -90, "INTERNAL"),
  ])
  func statusesArePinned(constant: Int, number: Int, name: String) throws {
    #expect(constant == number)
    #expect(String(cString: try #require(soniq_status_name(soniq_status(constant)))) == name)
  }

  @Test(arguments: [Int32.min, -91, -1, 1, Int32.max])
  func otherStatusesAreUnknown(status: Int32) throws {
    #expect(String(cString: try #require(soniq_status_name(status))) == "UNKNOWN")
  }

  @Test func newerHeadersAreRefusedWithAnExplanation() {
    #expect(call { soniq_require_abi(UInt32(SONIQ_ABI_VERSION), $0) }.status == SONIQ_OK)
    let newer = call { soniq_require_abi(UInt32(SONIQ_ABI_VERSION) + 1, $0) }
    #expect(newer.status == SONIQ_ERROR_VERSION)
    #expect(newer.message.contains("abi \(SONIQ_ABI_VERSION + 1)"))
  }
}
