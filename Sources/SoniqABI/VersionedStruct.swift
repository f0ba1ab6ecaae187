import CSoniq

/// Structs that start with `uint32_t struct_size`: how callers with older and newer headers are served.
enum VersionedStruct {
  /// Room for 4 KiB of options is more than a caller could mean.
  private static let sizes = 8...4096

  /// Copies the caller's struct over `defaults` (all zero), as far as both know it.
  ///
  /// `carriesVersion` says whether its second field is `abi_version`.
  ///
  /// - Returns: nil for NULL.
  /// - Throws: invalid argument for an impossible size, unsupported when fields that this library does not
  ///   know are not zero, version when the caller's header is newer.
  static func read<T>(
    _ pointer: UnsafePointer<T>?, defaults: T, _ name: String, carriesVersion: Bool = true
  ) throws(Failure) -> T? {
    guard let pointer else { return nil }
    let bytes = UnsafeRawPointer(pointer)
    let size = try callerSize(bytes, name)
    if carriesVersion {
      try requireVersion(bytes.load(fromByteOffset: 4, as: UInt32.self), field: "\(name).abi_version")
    }
    let known = MemoryLayout<T>.size
    if size > known {
      for offset in known..<size where bytes.load(fromByteOffset: offset, as: UInt8.self) != 0 {
        throw Failure(
          .unsupported, "\(name) sets a field at byte \(offset) that this version does not know", field: name)
      }
    }
    var value = defaults
    withUnsafeMutableBytes(of: &value) {
      $0.baseAddress?.copyMemory(from: bytes, byteCount: min(size, known))
    }
    return value
  }

  /// Fills the caller's struct with as much of `value` as fits and zeroes what this library does not know.
  /// The caller's struct_size stays.
  static func write<T>(_ value: T, to pointer: UnsafeMutablePointer<T>?, _ name: String) throws(Failure) {
    guard let pointer else { throw .null(name) }
    let bytes = UnsafeMutableRawPointer(pointer)
    let size = try callerSize(UnsafeRawPointer(bytes), name)
    let known = min(size, MemoryLayout<T>.size)
    withUnsafeBytes(of: value) { source in
      guard let base = source.baseAddress else { return }
      (bytes + 4).copyMemory(from: base + 4, byteCount: known - 4)
    }
    if size > known { (bytes + known).initializeMemory(as: UInt8.self, repeating: 0, count: size - known) }
  }

  /// Fails when a program of that header cannot run with this library. 0 says nothing.
  static func requireVersion(_ version: UInt32, field: String) throws(Failure) {
    guard version <= UInt32(SONIQ_ABI_VERSION) else {
      throw Failure(
        .version,
        "the program was compiled with the header of abi \(version), this library has abi "
          + "\(SONIQ_ABI_VERSION): install a newer libsoniq",
        field: field)
    }
  }

  private static func callerSize(_ bytes: UnsafeRawPointer, _ name: String) throws(Failure) -> Int {
    guard UInt(bitPattern: bytes) % 8 == 0 else { throw .argument(name, "is not aligned to 8 bytes") }
    let size = Int(bytes.load(as: UInt32.self))
    guard sizes.contains(size), size % 8 == 0 else {
      throw Failure(
        .invalidArgument, "struct_size of \(name) is \(size): start from its INIT macro",
        field: "\(name).struct_size")
    }
    return size
  }
}
