import SoniqGraph

/// Tags of the tables: the raw values are those of the file (docs/format.md). Tags of element types, code
/// kinds, activation functions and attention precisions are the raw values of those types.
enum MetadataTag: UInt8 {
  case text = 1
  case integer = 2
  case real = 3
  case boolean = 4
}

enum ConstantTag: UInt8 {
  case dense = 1
  case floatMatrix = 2
  case matrix = 3
  case table = 4
  case convolutionMatrix = 5
  case depthwise = 6
  case levelMatrix = 7

  /// The first version of the format that has it.
  var version: Int { self == .levelMatrix ? 3 : rawValue > ConstantTag.table.rawValue ? 2 : 1 }
}

enum ScalingTag: UInt8 {
  case dynamicPerRow = 1
  case fixed = 2
  /// Of version 3.
  case dynamicPerGroup = 3
}

enum OperationTag: UInt8 {
  case embedding = 1
  case positions = 2
  case linear = 3
  case layerNorm = 4
  case activation = 5
  case add = 6
  case attention = 7
  case meanPool = 8
  case l2Normalize = 9
  case convolution = 10
  case depthwiseConvolution = 11
  case tensor = 12

  /// The first version of the format that has it.
  var version: Int { rawValue > OperationTag.l2Normalize.rawValue ? 2 : 1 }
}

/// A dimension with this bit is the index of a symbol.
let symbolFlag = 1 << 31

extension ActivationFunction {
  /// The first version of the format that has it.
  var version: Int { rawValue > ActivationFunction.tanh.rawValue ? 2 : 1 }
}
