import SoniqCore

/// The checks of one node, whose inputs are in range; remembers its index for the errors.
package struct NodeInference {
  let graph: Graph
  let index: Int

  var inputs: [ValueID] { graph.nodes[index].inputs }

  func fault(
    _ code: GraphError.Code, _ field: String, _ element: Int? = nil, constant: ConstantID? = nil
  ) -> GraphError {
    GraphError(code, node: index, constant: constant, field: field, element: element)
  }

  func value(_ input: Int) -> Value { graph.values[inputs[input]] }
  func shape(_ input: Int) -> [Dimension] { value(input).shape }
  func maximum(_ dimension: Dimension) -> Int { graph.maximum(dimension) }

  // MARK: Inputs

  func requireInputs(_ counts: ClosedRange<Int>) throws(GraphError) {
    guard counts.contains(inputs.count) else { throw fault(.wrongInputCount, "inputs") }
  }

  func require(_ input: Int, is type: ElementType, rank: Int? = nil) throws(GraphError) {
    guard value(input).elementType == type else { throw fault(.elementTypeMismatch, "inputs", input) }
    guard rank == nil || shape(input).count == rank else { throw fault(.shapeMismatch, "inputs", input) }
  }

  /// float32 or int32.
  func requireComputed(_ input: Int) throws(GraphError) {
    guard value(input).elementType.isComputed else { throw fault(.elementTypeMismatch, "inputs", input) }
  }

  func requireSameType(_ left: Int, _ right: Int) throws(GraphError) {
    try require(right, is: value(left).elementType)
  }

  func require(_ input: Int, hasShape wanted: [Dimension]) throws(GraphError) {
    guard shape(input) == wanted else { throw fault(.shapeMismatch, "inputs", input) }
  }

  /// The shape of the one input, of this type or of any.
  func one(_ type: ElementType?) throws(GraphError) -> [Dimension] {
    try requireInputs(1...1)
    if let type { try require(0, is: type) }
    return shape(0)
  }

  /// The shape of the one float32 input, whose last dimension is fixed.
  func rows() throws(GraphError) -> [Dimension] {
    let shape = try one(.float32)
    _ = try channels(shape)
    return shape
  }

  /// The last dimension of the first input, two dimensions or more.
  func channels(_ shape: [Dimension]) throws(GraphError) -> Int {
    guard shape.count >= 2, case .fixed(let size) = shape[shape.count - 1] else {
      throw fault(.shapeMismatch, "inputs", 0)
    }
    return size
  }

  /// The one float32 input [B,H,W,C]; C is fixed.
  func image() throws(GraphError) -> (batch: Dimension, height: Dimension, width: Dimension, channels: Int) {
    let shape = try one(.float32)
    guard shape.count == 4, case .fixed(let channels) = shape[3] else {
      throw fault(.shapeMismatch, "inputs", 0)
    }
    return (shape[0], shape[1], shape[2], channels)
  }

  /// [H',W'] of what slides a window over an image.
  func outputs(
    of window: Window, height: Dimension, width: Dimension
  ) throws(GraphError) -> [Dimension] {
    try require(window.isValid, "window")
    return [
      try size(window.outputHeight(height), "window.height"),
      try size(window.outputWidth(width), "window.width"),
    ]
  }

  /// A mask of positions, int32 of this shape.
  func requireMask(_ input: Int, positions: [Dimension]) throws(GraphError) {
    try require(input, is: .int32, rank: 2)
    try require(input, hasShape: positions)
  }

  // MARK: Attributes

  func require(axis: Int, rank: Int, _ field: String = "axis", _ element: Int? = nil) throws(GraphError) {
    guard (0..<rank).contains(axis) else { throw fault(.invalidAttribute, field, element) }
  }

  func require(_ isValid: Bool, _ field: String) throws(GraphError) {
    guard isValid else { throw fault(.invalidAttribute, field) }
  }

  func require(positive number: Float, _ field: String) throws(GraphError) {
    try require(number.isFinite && number > 0, field)
  }

  /// A constant, if its index is in range.
  func constant(_ constant: ConstantID, _ field: String, _ element: Int? = nil) throws(GraphError)
    -> Constant
  {
    guard graph.constants.indices.contains(constant) else { throw fault(.indexOutOfRange, field, element) }
    return graph.constants[constant]
  }

  func dense(_ constant: ConstantID, _ field: String) throws(GraphError) -> DenseConstant {
    guard case .dense(let dense) = try self.constant(constant, field) else {
      throw fault(.wrongKind, field, constant: constant)
    }
    return dense
  }

  /// A dense float32 constant of the same length as the rows of a shape.
  func requireRow(_ constant: ConstantID, _ field: String, of shape: [Dimension]) throws(GraphError) {
    let dense = try dense(constant, field)
    guard dense.elementType == .float32 else { throw fault(.wrongKind, field, constant: constant) }
    guard dense.shape.count == 1, shape.last == .fixed(dense.shape[0]) else {
      throw fault(.shapeMismatch, field, constant: constant)
    }
  }

  // MARK: Shapes

  /// The shape in which two shapes meet as in numpy: aligned at the end, dimensions equal or one of them 1.
  func broadcast(
    _ left: [Dimension], _ right: [Dimension], input: Int
  ) throws(GraphError) -> [Dimension] {
    var shape = left.count >= right.count ? left : right
    let other = left.count >= right.count ? right : left
    for position in other.indices {
      let place = shape.count - other.count + position
      if shape[place] == other[position] || other[position] == .fixed(1) { continue }
      guard shape[place] == .fixed(1) else { throw fault(.shapeMismatch, "inputs", input) }
      shape[place] = other[position]
    }
    return shape
  }

  /// A shape of fewer dimensions, at least one.
  func without(_ axes: [Int], _ shape: [Dimension], keepsDimensions: Bool) -> [Dimension] {
    let reduced = shape.indices.compactMap { position -> Dimension? in
      guard axes.contains(position) else { return shape[position] }
      return keepsDimensions ? .fixed(1) : nil
    }
    return reduced.isEmpty ? [.fixed(1)] : reduced
  }

  /// A new size of a dimension.
  func fixed(_ size: Int, _ field: String, _ element: Int? = nil) throws(GraphError) -> Dimension {
    guard (1...maximumDimension).contains(size) else { throw fault(.invalidSize, field, element) }
    return .fixed(size)
  }

  /// An attribute that is a size.
  func bound(_ dimension: Dimension, _ field: String) throws(GraphError) -> Dimension {
    guard graph.isBound(dimension) else { throw fault(.indexOutOfRange, field) }
    return dimension
  }

  /// The dimension that is so long in every run.
  func size(_ expression: SizeExpression, _ field: String, _ element: Int? = nil) throws(GraphError)
    -> Dimension
  {
    switch graph.dimension(expression) {
    case .fixed(let size)?: return try fixed(size, field, element)
    case let symbol?: return symbol
    case nil:
      var error = fault(.undefinedSize, field, element)
      error.missingSize = expression
      throw error
    }
  }

  /// The number of elements, as far as symbols are not known by other sizes; nil where it cannot be written.
  func elements(_ shape: [Dimension]) -> SizeExpression? {
    var product = SizeTerm(1)
    for dimension in shape {
      switch dimension {
      case .symbol(let symbol): product = SizeTerm(product.coefficient, product.symbols + [symbol])
      case .fixed(let size):
        guard let next = signedProduct(product.coefficient, size) else { return nil }
        product.coefficient = next
      }
    }
    return graph.normalized(SizeExpression([product]))
  }

  /// The sum of two sizes and a number.
  func sum(
    _ left: Dimension, _ right: Dimension? = nil, plus number: Int = 0, _ field: String, _ element: Int? = nil
  ) throws(GraphError) -> Dimension {
    let terms = SizeExpression(left).terms + (right.map { SizeExpression($0).terms } ?? [])
    return try size(SizeExpression(terms + [SizeTerm(number)]), field, element)
  }

  func requireRank(_ rank: Int) throws(GraphError) {
    guard (1...maximumRank).contains(rank) else { throw fault(.invalidSize, "rank") }
  }

  // MARK: Outputs

  func floats(_ shape: [Dimension]) -> InferredOutput { InferredOutput(elementType: .float32, shape: shape) }

  /// Elements of the first input, in this shape.
  func same(_ shape: [Dimension]) -> InferredOutput {
    InferredOutput(elementType: value(0).elementType, shape: shape)
  }
}

extension Graph {
  /// Checks the inputs and attributes of a node whose indices are in range, and infers its outputs.
  package func inferredOutputs(ofNode index: Int) throws(GraphError) -> [InferredOutput] {
    try nodes[index].operation.attributes.inferredOutputs(NodeInference(graph: self, index: index))
  }

  /// The same for the first output.
  package func inferredOutput(ofNode index: Int) throws(GraphError) -> InferredOutput {
    try nodes[index].operation.attributes.inferredOutput(NodeInference(graph: self, index: index))
  }
}
