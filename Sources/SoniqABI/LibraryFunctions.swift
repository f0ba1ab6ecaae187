public import CSoniq
import CMemory
import CPlatform
import SoniqKernels

/// Writes a text to its static storage, cut to fit.
private func store(_ text: String, _ which: Int) -> UnsafePointer<CChar>? {
  guard let storage = snq_static_text(Int32(which)) else { return nil }
  var index = 0
  for byte in text.utf8 where index < SNQ_TEXT_CAPACITY - 1 {
    storage[index] = CChar(bitPattern: byte)
    index += 1
  }
  return UnsafePointer(storage)
}

/// Pointers into static storage, filled at the first use.
private struct LibraryText: @unchecked Sendable {
  let version: UnsafePointer<CChar>?
  let build: UnsafePointer<CChar>?
  let features: UnsafePointer<CChar>?

  static let shared = LibraryText()

  private init() {
    let number = "\(SONIQ_VERSION_MAJOR).\(SONIQ_VERSION_MINOR).\(SONIQ_VERSION_PATCH)"
    version = store(number, SNQ_TEXT_VERSION)
    let compiler = String(cString: snq_compiler_name())
    let jemalloc = String(cString: snq_jemalloc_version())
    let isa = InstructionSet.allCases.map(\.name).joined(separator: " ")
    build = store(
      "soniq \(number) (abi \(SONIQ_ABI_VERSION); \(Self.swift), \(compiler); isa \(isa); "
        + "jemalloc \(jemalloc))",
      SNQ_TEXT_BUILD)
    var names: [String] = []
    var index: Int32 = 0
    while let name = snq_cpu_feature_name(index) {
      if name.pointee != 0 { names.append(String(cString: name)) }
      index += 1
    }
    features = store(names.joined(separator: " "), SNQ_TEXT_FEATURES)
  }

  private static var swift: String {
    #if compiler(>=6.4)
      "swift 6.4 or later"
    #elseif compiler(>=6.3)
      "swift 6.3"
    #else
      "swift 6.2"
    #endif
  }
}

/// `soniq_version` of soniq.h.
@_cdecl("soniq_version") @implementation
public func soniq_version() -> UnsafePointer<CChar>? { LibraryText.shared.version }

/// `soniq_abi_version` of soniq.h.
@_cdecl("soniq_abi_version") @implementation
public func soniq_abi_version() -> UInt32 { UInt32(SONIQ_ABI_VERSION) }

/// `soniq_require_abi` of soniq.h.
@_cdecl("soniq_require_abi") @implementation
public func soniq_require_abi(
  _ abiVersion: UInt32, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    guard abiVersion > 0 else { throw Failure(.version, "abi_version is 0", field: "abi_version") }
    try VersionedStruct.requireVersion(abiVersion, field: "abi_version")
  }
}

/// `soniq_build_info` of soniq.h.
@_cdecl("soniq_build_info") @implementation
public func soniq_build_info() -> UnsafePointer<CChar>? { LibraryText.shared.build }

/// `soniq_cpu_features` of soniq.h.
@_cdecl("soniq_cpu_features") @implementation
public func soniq_cpu_features() -> UnsafePointer<CChar>? { LibraryText.shared.features }

/// `soniq_cpu_isa` of soniq.h.
@_cdecl("soniq_cpu_isa") @implementation
public func soniq_cpu_isa() -> UInt32 {
  instructionSetConstant(InstructionSet.newest(in: .detected()).name)
}

/// `soniq_isa_name` of soniq.h.
@_cdecl("soniq_isa_name") @implementation
public func soniq_isa_name(_ isa: UInt32) -> UnsafePointer<CChar>? {
  switch Int(isa) {
  case SONIQ_ISA_DEFAULT: staticText("default")
  case SONIQ_ISA_PORTABLE: staticText("portable")
  case SONIQ_ISA_AVX2: staticText("avx2")
  case SONIQ_ISA_AVX512: staticText("avx512")
  case SONIQ_ISA_NEON: staticText("neon")
  case SONIQ_ISA_DOTPROD: staticText("dotprod")
  case SONIQ_ISA_I8MM: staticText("i8mm")
  default: staticText("unknown")
  }
}

/// `soniq_status_name` of soniq.h.
@_cdecl("soniq_status_name") @implementation
public func soniq_status_name(_ status: soniq_status) -> UnsafePointer<CChar>? {
  if status == soniq_status(SONIQ_OK) { return staticText("OK") }
  for known in Status.allCases where known.code == status { return staticText(known.name) }
  return staticText("UNKNOWN")
}
