package import SoniqGraph
import SoniqOperators

/// Element types of arrays that a host gives. What is not the model's type becomes it when the input is set.
package enum HostElementType: Sendable, Hashable, CaseIterable {
  case float32, int32, int64, float16, int8, uint8

  package init(_ type: ElementType) {
    switch type {
    case .float32: self = .float32
    case .int32: self = .int32
    case .float16: self = .float16
    case .int8: self = .int8
    case .uint8: self = .uint8
    }
  }

  /// The same type of values; they are never int64.
  var ofValues: ElementType? {
    switch self {
    case .float32: .float32
    case .int32: .int32
    case .int64: nil
    case .float16: .float16
    case .int8: .int8
    case .uint8: .uint8
    }
  }

  package var byteCount: Int { ofValues?.byteCount ?? 8 }

  /// The numbers are those of a model's input: real ones of all smaller types, int32 of whole ones, bytes of their own.
  package func isAccepted(for type: ElementType) -> Bool {
    switch type {
    case .float32: self != .int32 && self != .int64
    case .float16: [.float16, .int8, .uint8].contains(self)
    case .int32: [.int32, .int64, .int8, .uint8].contains(self)
    case .int8, .uint8: self == HostElementType(type)
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
    for position in 0..<count where Int32(exactly: wide(position)) == nil {
      return (position, wide(position))
    }
    return nil
  }

  /// Of int64.
  private func wide(_ position: Int) -> Int64 {
    data.loadUnaligned(fromByteOffset: position * 8, as: Int64.self)
  }

  /// Writes them as `target`, which accepts their type and holds every one; exact.
  func write(as target: ElementType, to output: UnsafeMutableRawPointer) {
    if let type = type.ofValues {
      castElements(type, data, target, output, count)
      return
    }
    let integers = output.bindMemory(to: Int32.self, capacity: count)
    for position in 0..<count { integers[position] = Int32(truncatingIfNeeded: wide(position)) }
  }
}
