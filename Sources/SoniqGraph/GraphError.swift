/// Why a graph is not valid, and where.
package struct GraphError: Error, Sendable, Hashable {
  /// The kinds of fault.
  package enum Code: UInt8, Sendable, Hashable, CaseIterable {
    /// An index points outside its table, or at a thing of the wrong kind.
    case indexOutOfRange
    case wrongKind
    /// A value is used before it is made, made twice, or never made.
    case usedBeforeDefinition
    case producedTwice
    case neverProduced
    /// A node has the wrong number of inputs, or of outputs.
    case wrongInputCount
    case wrongOutputCount
    /// An attribute is out of its range.
    case invalidAttribute
    /// Ranks, dimensions or element types do not fit together.
    case shapeMismatch
    case elementTypeMismatch
    /// A size is 0, negative, or too large to count.
    case invalidSize
    /// No symbol is defined as the size `missingSize`.
    case undefinedSize
    /// A constant has more or fewer bytes than its shape demands, or is not aligned.
    case wrongByteCount
    case misaligned
    /// A channel map is not a permutation.
    case notAPermutation
    /// A number is not finite, or a scale is negative.
    case invalidNumber
    /// A level's codes are not valid, or its dot product could leave int32.
    case invalidLevel
    case tooManyChannels
    /// A name is used twice or the tables of names and things differ in length.
    case invalidName
    /// The plan's memory cannot be addressed.
    case tooLarge
  }
  package var code: Code
  /// Index of the node, constant or value to blame.
  package var node: Int?
  package var constant: Int?
  package var value: Int?
  /// The field, as docs/format.md calls it: "epsilon", "levels[1].scales", ...
  package var field: String
  /// Element of the field, where one is to blame.
  package var element: Int?
  /// The size that a dimension would have, where no symbol is known to be it.
  package var missingSize: SizeExpression?

  package init(
    _ code: Code, node: Int? = nil, constant: Int? = nil, value: Int? = nil, field: String,
    element: Int? = nil
  ) {
    self.code = code
    self.node = node
    self.constant = constant
    self.value = value
    self.field = field
    self.element = element
  }
}

extension GraphError: CustomStringConvertible {
  package var description: String { message }

  /// One sentence in plain words, without a final stop.
  package var message: String {
    var place = field
    if let element { place += "[\(element)]" }
    if let node { place += " of node \(node)" }
    if let constant { place += " of constant \(constant)" }
    if let value { place += " of value \(value)" }
    return "\(place): \(reason)"
  }

  private var reason: String {
    switch code {
    case .indexOutOfRange: "the index is out of range"
    case .wrongKind: "it is of the wrong kind"
    case .usedBeforeDefinition: "the value is used before it is made"
    case .producedTwice: "the value is made twice"
    case .neverProduced: "the value is never made"
    case .wrongInputCount: "the number of inputs is wrong"
    case .wrongOutputCount: "the number of outputs is wrong"
    case .invalidAttribute: "the attribute is out of its range"
    case .shapeMismatch: "the shapes do not fit together"
    case .elementTypeMismatch: "the element type is wrong"
    case .invalidSize: "the size is out of its range"
    case .undefinedSize: "no size of the model is defined as what it would be"
    case .wrongByteCount: "the number of bytes is not what the shape demands"
    case .misaligned: "the bytes are not aligned"
    case .notAPermutation: "it is not a permutation"
    case .invalidNumber: "the number is out of its range"
    case .invalidLevel: "the level is not valid"
    case .tooManyChannels: "the sum over so many channels could leave 32 bits"
    case .invalidName: "the name is not valid"
    case .tooLarge: "the memory could not be addressed"
    }
  }
}
