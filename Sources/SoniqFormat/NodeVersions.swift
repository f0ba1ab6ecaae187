import SoniqGraph

/// What nodes of a version 3 may do that those before may not, though their tags and attributes are the same.
extension Graph {
  /// An embedding whose table is a matrix.
  func readsRowsOfMatrix(_ node: Node) -> Bool {
    guard case .embedding(let embedding) = node.operation, constants.indices.contains(embedding.table),
      case .matrix = constants[embedding.table]
    else { return false }
    return true
  }

  /// Dynamic sizes where they were fixed.
  func hasSizesOfVersion3(_ node: Node) -> Bool {
    guard let input = node.inputs.first else { return false }
    let shape = values[input].shape
    switch node.operation {
    case .convolution, .depthwiseConvolution, .pool, .resize, .foldTaps:
      return shape.count == 4 && (shape[1].isDynamic || shape[2].isDynamic)
    case .concatenate(let concatenate):
      return shape.indices.contains(concatenate.axis) && shape[concatenate.axis].isDynamic
    case .reshape(let reshape):
      return shape.filter(\.isDynamic) != reshape.shape.filter(\.isDynamic)
    default: return false
    }
  }
}
