/// What a node computes. Values are float32 unless said otherwise; B, S are dynamic sizes.
package enum Operation: Sendable, Hashable {
  case embedding(Embedding)
  case positions
  case linear(Linear)
  case layerNorm(LayerNorm)
  case activation(Activation)
  case add
  case attention(Attention)
  case meanPool
  case l2Normalize(L2Normalize)
  case convolution(Convolution)
  case depthwiseConvolution(DepthwiseConvolution)
  case constant(ConstantTensor)
  case unary(Unary)
  case binary(Binary)
  case select
  case cast(Cast)
  case transpose(Transpose)
  case reshape(Reshape)
  case expand(Expand)
  case concatenate(Concatenate)
  case slice(Slice)
  case pad(Pad)
  case gather(Gather)
  case reduce(Reduce)
  case softmax(Softmax)
  case argument(IndexOfExtreme)
  case matmul(Matmul)
  case pool(Pool)
  case resize(Resize)
  case foldTaps(FoldTaps)
  case cumulate(Cumulate)
  case rmsNorm(RMSNorm)
  case groupedAttention(GroupedAttention)
  case rotary(Rotary)
  case gatedProduct(GatedProduct)
  case softcap(Softcap)
  case statePositions(StatePositions)
  case split(Split)
  case topK(TopK)
  case recurrence(Recurrence)
  case scatter(Scatter)
  case sample(Sample)
  case alignRegions(AlignRegions)

  /// Every kind of operation, in the order of the tags.
  package static let kinds: [any Operator.Type] = [
    Embedding.self, Positions.self, Linear.self, LayerNorm.self, Activation.self, Add.self, Attention.self,
    MeanPool.self, L2Normalize.self, Convolution.self, DepthwiseConvolution.self, ConstantTensor.self,
    Unary.self, Binary.self, Select.self, Cast.self, Transpose.self, Reshape.self, Expand.self,
    Concatenate.self, Slice.self, Pad.self, Gather.self, Reduce.self, Softmax.self, IndexOfExtreme.self,
    Matmul.self, Pool.self, Resize.self, FoldTaps.self, Cumulate.self, RMSNorm.self, GroupedAttention.self,
    Rotary.self, GatedProduct.self, Softcap.self, StatePositions.self, Split.self, TopK.self,
    Recurrence.self, Scatter.self, Sample.self, AlignRegions.self,
  ]

  /// The kind of the operation with its attributes.
  package var attributes: any Operator {
    switch self {
    case .embedding(let attributes): attributes
    case .positions: Positions()
    case .linear(let attributes): attributes
    case .layerNorm(let attributes): attributes
    case .activation(let attributes): attributes
    case .add: Add()
    case .attention(let attributes): attributes
    case .meanPool: MeanPool()
    case .l2Normalize(let attributes): attributes
    case .convolution(let attributes): attributes
    case .depthwiseConvolution(let attributes): attributes
    case .constant(let attributes): attributes
    case .unary(let attributes): attributes
    case .binary(let attributes): attributes
    case .select: Select()
    case .cast(let attributes): attributes
    case .transpose(let attributes): attributes
    case .reshape(let attributes): attributes
    case .expand(let attributes): attributes
    case .concatenate(let attributes): attributes
    case .slice(let attributes): attributes
    case .pad(let attributes): attributes
    case .gather(let attributes): attributes
    case .reduce(let attributes): attributes
    case .softmax(let attributes): attributes
    case .argument(let attributes): attributes
    case .matmul(let attributes): attributes
    case .pool(let attributes): attributes
    case .resize(let attributes): attributes
    case .foldTaps(let attributes): attributes
    case .cumulate(let attributes): attributes
    case .rmsNorm(let attributes): attributes
    case .groupedAttention(let attributes): attributes
    case .rotary(let attributes): attributes
    case .gatedProduct(let attributes): attributes
    case .softcap(let attributes): attributes
    case .statePositions(let attributes): attributes
    case .split(let attributes): attributes
    case .topK(let attributes): attributes
    case .recurrence(let attributes): attributes
    case .scatter(let attributes): attributes
    case .sample(let attributes): attributes
    case .alignRegions(let attributes): attributes
    }
  }

  package var schema: OperatorSchema { type(of: attributes).schema }
}
