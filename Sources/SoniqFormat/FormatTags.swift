import SoniqGraph

/// Tags of the tables: the raw values are those of the file (docs/format.md). Tags of element types and code
/// kinds are the raw values of those types; those of operations are in their schemas.
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

/// A dimension with this bit is the index of a symbol.
let symbolFlag = 1 << 31
/// A symbol whose maximum has this bit is open.
let openFlag = 1 << 31
