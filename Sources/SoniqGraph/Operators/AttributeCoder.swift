/// To whom operators hand their attributes. A reader fills them, a writer copies them, a description lists them.
package protocol AttributeCoder {
  associatedtype Failure: Error

  /// Bytes that are 0.
  mutating func reserved(_ count: Int) throws(Failure)
  /// One byte.
  mutating func byte(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) throws(Failure)
  /// One byte, 1 ... `maximumRank`: so many elements of at least 4 bytes follow.
  mutating func rank(_ value: inout Int) throws(Failure)
  /// One byte, 0 or 1; reserved in files of versions before.
  mutating func flag(_ name: String, _ value: inout Bool, since version: Int) throws(Failure)
  /// One byte, a bit for each flag.
  mutating func flags(_ names: [String], _ values: inout [Bool]) throws(Failure)
  /// One byte, the raw value.
  mutating func tag<Tag: AttributeTag>(_ name: String, _ value: inout Tag) throws(Failure)
  /// uint32.
  mutating func word(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) throws(Failure)
  /// int32.
  mutating func signed(_ name: String, _ value: inout Int) throws(Failure)
  /// float32.
  mutating func float(_ name: String, _ value: inout Float) throws(Failure)
  /// uint32, the index of a constant.
  mutating func constant(_ name: String, _ value: inout ConstantID) throws(Failure)
  /// uint32, the index of a constant and 1; 0 for none.
  mutating func optionalConstant(_ name: String, _ value: inout ConstantID?) throws(Failure)
  /// uint32, a fixed size of at least `least`, or, in files of that version, a symbol.
  mutating func dimension(
    _ name: String, _ value: inout Dimension, from least: Int, symbolsSince version: Int
  ) throws(Failure)
  /// uint32, a number of elements of at least 4 bytes that follow.
  mutating func count(_ name: String, _ value: inout Int, limit: Int) throws(Failure)
  /// As many elements as the number of the name `counter` said; an array of another length is made anew of `start`.
  mutating func list<Element>(
    _ values: inout [Element], count: Int, of counter: String, start: Element,
    _ element: (inout Self, inout Element) throws(Failure) -> Void
  ) throws(Failure)
  /// Refuses the number that begins `bytes` before.
  mutating func require(_ isValid: Bool, _ name: String, bytesBefore bytes: Int) throws(Failure)
}

/// An attribute that is one of several: its raw values are those of the file.
package protocol AttributeTag: RawRepresentable<UInt8>, CaseIterable, Sendable {
  /// The first version of the format that has it.
  var since: Int { get }
}

extension AttributeTag {
  package var since: Int { 1 }
}

extension AttributeCoder {
  package mutating func flag(_ name: String, _ value: inout Bool) throws(Failure) {
    try flag(name, &value, since: 1)
  }

  package mutating func dimension(_ name: String, _ value: inout Dimension) throws(Failure) {
    try dimension(name, &value, from: 1, symbolsSince: 1)
  }

  package mutating func dimension(
    _ name: String, _ value: inout Dimension, symbolsSince version: Int
  ) throws(Failure) {
    try dimension(name, &value, from: 1, symbolsSince: version)
  }

  /// One byte.
  package mutating func axis(_ value: inout Int) throws(Failure) {
    try byte("axis", &value, in: 0...maximumRank - 1)
  }

  /// The rank in one byte, `reserved` bytes, then the dimensions.
  package mutating func shape(_ shape: inout [Dimension], reserved bytes: Int) throws(Failure) {
    var rank = shape.count
    try self.rank(&rank)
    try reserved(bytes)
    try list(&shape, count: rank, of: "rank", start: .fixed(1)) { (coder, dimension) throws(Failure) in
      try coder.dimension("shape", &dimension)
    }
  }

  package mutating func words(
    _ name: String, _ values: inout [Int], count: Int, of counter: String, in range: ClosedRange<Int>
  ) throws(Failure) {
    try list(&values, count: count, of: counter, start: range.lowerBound) { (coder, value) throws(Failure) in
      try coder.word(name, &value, in: range)
    }
  }

  /// Ten words; the graph's rules bound them.
  package mutating func window(_ window: inout Window) throws(Failure) {
    let range = 0...maximumTaps
    try word("window.height", &window.height, in: range)
    try word("window.width", &window.width, in: range)
    try word("window.strideHeight", &window.strideHeight, in: range)
    try word("window.strideWidth", &window.strideWidth, in: range)
    try word("window.dilationHeight", &window.dilationHeight, in: range)
    try word("window.dilationWidth", &window.dilationWidth, in: range)
    try word("window.top", &window.top, in: range)
    try word("window.left", &window.left, in: range)
    try word("window.bottom", &window.bottom, in: range)
    try word("window.right", &window.right, in: range)
  }
}
