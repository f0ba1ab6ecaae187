import SoniqGraph

/// How a kind of operation becomes steps.
protocol PlannedOperator: Operator {
  /// Appends the steps of a node, and of those after it that they do as well.
  func schedule(_ node: Int, in schedule: inout Schedule)
  /// The function of an elementwise node of floats.
  var elementFunction: ElementFunction? { get }
  /// Constants whose levels say how all of the node's inputs are quantised.
  var quantizingConstants: [ConstantID] { get }
}

extension PlannedOperator {
  var elementFunction: ElementFunction? { nil }
  var quantizingConstants: [ConstantID] { [] }
}

extension Operation {
  var planned: any PlannedOperator {
    switch self {
    case .embedding(let kind): kind
    case .positions: Positions()
    case .linear(let kind): kind
    case .layerNorm(let kind): kind
    case .activation(let kind): kind
    case .add: Add()
    case .attention(let kind): kind
    case .meanPool: MeanPool()
    case .l2Normalize(let kind): kind
    case .convolution(let kind): kind
    case .depthwiseConvolution(let kind): kind
    case .constant(let kind): kind
    case .unary(let kind): kind
    case .binary(let kind): kind
    case .select: Select()
    case .cast(let kind): kind
    case .transpose(let kind): kind
    case .reshape(let kind): kind
    case .expand(let kind): kind
    case .concatenate(let kind): kind
    case .slice(let kind): kind
    case .pad(let kind): kind
    case .gather(let kind): kind
    case .reduce(let kind): kind
    case .softmax(let kind): kind
    case .argument(let kind): kind
    case .matmul(let kind): kind
    case .pool(let kind): kind
    case .resize(let kind): kind
    case .foldTaps(let kind): kind
    case .cumulate(let kind): kind
    case .rmsNorm(let kind): kind
    case .groupedAttention(let kind): kind
    case .rotary(let kind): kind
    case .gatedProduct(let kind): kind
    case .softcap(let kind): kind
    case .statePositions(let kind): kind
    case .split(let kind): kind
    case .topK(let kind): kind
    case .recurrence(let kind): kind
    case .scatter(let kind): kind
    case .sample(let kind): kind
    case .alignRegions(let kind): kind
    }
  }
}
