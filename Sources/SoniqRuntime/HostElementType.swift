import SoniqCore
package import SoniqGraph

/// Element types of arrays that a host gives. What a model does not have becomes what it has, when the input is set.
package enum HostElementType: Sendable, Hashable, CaseIterable {
  case float32, int32, int64, float16, int8, uint8

  package init(_ type: ElementType) {
    switch type {
    case .float32: self = .float32
    case .int32: self = .int32
    }
  }

  package var byteCount: Int {
    switch self {
    case .float32, .int32: 4
    case .int64: 8
    case .float16: 2
    case .int8, .uint8: 1
    }
  }

  /// The numbers are those of a model's input: float32 of all small types, int32 of whole numbers.
  package func isAccepted(for type: ElementType) -> Bool {
    switch self {
    case .float32, .float16: type == .float32
    case .int32, .int64: type == .int32
    case .int8, .uint8: true
    }
  }
}

/// Elements of a host's array that becomes one of a model's type.
struct HostElements {
  let data: UnsafeRawPointer
  let type: HostElementType
  let count: Int

  /// The first element that int32 does not hold.
  var misfit: (position: Int, value: Int64)? {
    guard type == .int64 else { return nil }
    for position in 0..<count {
      let value = data.loadUnaligned(fromByteOffset: position * 8, as: Int64.self)
      if Int32(exactly: value) == nil { return (position, value) }
    }
    return nil
  }

  /// Writes them as `target`, which accepts their type and holds every one; exact.
  func write(as target: ElementType, to output: UnsafeMutableRawPointer) {
    switch target {
    case .float32:
      let floats = output.bindMemory(to: Float.self, capacity: count)
      switch type {
      case .float16: fill(floats, UInt16.self) { Binary16.value($0) }
      case .int8: fill(floats, Int8.self) { Float($0) }
      case .uint8: fill(floats, UInt8.self) { Float($0) }
      default: fill(floats, Float.self) { $0 }
      }
    case .int32:
      let integers = output.bindMemory(to: Int32.self, capacity: count)
      switch type {
      case .int64: fill(integers, Int64.self) { Int32(truncatingIfNeeded: $0) }
      case .int8: fill(integers, Int8.self) { Int32($0) }
      case .uint8: fill(integers, UInt8.self) { Int32($0) }
      default: fill(integers, Int32.self) { $0 }
      }
    }
  }

  private func fill<Source: BitwiseCopyable, Target>(
    _ target: UnsafeMutablePointer<Target>, _ source: Source.Type, _ convert: (Source) -> Target
  ) {
    let size = MemoryLayout<Source>.size
    for position in 0..<count {
      target[position] = convert(data.loadUnaligned(fromByteOffset: position * size, as: Source.self))
    }
  }
}
