/// The texts of tokens, one behind the other: a token's id is its place.
package struct PieceList: Sendable, Equatable {
  package private(set) var bytes: [UInt8] = []
  /// Where each piece ends.
  private var ends: [UInt32] = []

  package init() {}

  package var count: Int { ends.count }
  package var indices: Range<Int> { 0..<count }

  package mutating func reserve(pieces: Int, bytes byteCount: Int) {
    ends.reserveCapacity(pieces)
    bytes.reserveCapacity(byteCount)
  }

  /// The bytes of all pieces together must stay below 2^32.
  package mutating func append(_ piece: some Collection<UInt8>) {
    bytes.append(contentsOf: piece)
    ends.append(UInt32(truncatingIfNeeded: bytes.count))
  }

  func range(_ id: Int) -> Range<Int> { (id == 0 ? 0 : Int(ends[id - 1]))..<Int(ends[id]) }

  package subscript(id: Int) -> ArraySlice<UInt8> { bytes[range(id)] }
}
