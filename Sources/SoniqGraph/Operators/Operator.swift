/// One kind of operation with its attributes. All that the library knows of it outside the runtime is in its file:
/// its place in files, its attributes in their order, and its rule for shapes.
package protocol Operator: Sendable, Hashable {
  static var schema: OperatorSchema { get }
  /// Attributes to be read.
  init()
  /// The operation of these attributes.
  var operation: Operation { get }
  /// Hands every attribute to the coder, in the order of the file: reading, writing and describing follow from it.
  mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure)
  /// Checks inputs and attributes of a node whose indices are in range, and infers its first output.
  func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput
  /// The same for all outputs; most kinds have one.
  func inferredOutputs(_ node: NodeInference) throws(GraphError) -> [InferredOutput]
  /// Dense float32 constants whose numbers must be finite, with the names of their attributes.
  var finiteConstants: [(constant: ConstantID, field: String)] { get }
}

extension Operator {
  package var finiteConstants: [(constant: ConstantID, field: String)] { [] }
  package func inferredOutputs(_ node: NodeInference) throws(GraphError) -> [InferredOutput] {
    [try inferredOutput(node)]
  }
  /// For operators without attributes.
  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {}
}

/// What files and reports call a kind of operation.
package struct OperatorSchema: Sendable, Hashable {
  /// "layerNorm"; those of tensor operations begin with "tensor.".
  package var name: String
  /// The tag of the node's record, and behind it that of a tensor operation.
  package var tag: UInt8
  package var tensorTag: UInt8?
  /// The first version of the format that has it.
  package var since: Int

  package init(_ name: String, tag: UInt8, since: Int = 1) {
    (self.name, self.tag, self.since) = (name, tag, since)
  }

  /// A tensor operation: on whole tensors of any rank from 1 to 8, row-major. Truth values are int32 0 and 1. Axes
  /// count from 0 and are in range. Dimensions may be symbols wherever the operation copies them from an input.
  package init(tensor name: String, tag: UInt8, since: Int = 2) {
    (self.name, self.tag, tensorTag, self.since) = ("tensor." + name, Self.tensorOperation, tag, since)
  }

  /// The tag of all tensor operations.
  package static let tensorOperation: UInt8 = 12
}

/// The element type and shape that a node's output must have.
package struct InferredOutput: Sendable, Hashable {
  package var elementType: ElementType
  package var shape: [Dimension]
}
