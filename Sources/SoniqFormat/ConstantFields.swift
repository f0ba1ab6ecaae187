import SoniqCore
import SoniqGraph

/// One array of a constant, and the section that holds it.
struct ConstantField {
  /// As GraphError and docs/format.md call it: "levels[0].scales".
  var name: String
  var kind: SectionKind
  var bytes: ConstantBytes
  /// Bytes of one element, for the offset of an element in an error.
  var elementSize: Int

  init(name: String, kind: SectionKind, bytes: ConstantBytes, elementSize: Int? = nil) {
    self.name = name
    self.kind = kind
    self.bytes = bytes
    self.elementSize =
      switch kind {
      case .tableScales: 2
      case .weights, .tableCodes, .depthwiseWeights: 1
      default: elementSize ?? 4
      }
  }
}

extension Constant {
  /// The arrays that are there, in the order of their sections.
  var fields: [ConstantField] {
    switch self {
    case .dense(let dense): [ConstantField(name: "bytes", kind: .dense, bytes: dense.bytes)]
    case .floatMatrix(let matrix):
      [ConstantField(name: "panels", kind: .floatPanels, bytes: matrix.panels)]
        + Self.optional("bias", .bias, matrix.bias)
    case .matrix(let matrix):
      Self.optional("gather", .channelMap, matrix.gather) + Self.optional("bias", .bias, matrix.bias)
        + matrix.levels.enumerated().flatMap { index, level in
          [ConstantField(name: "levels[\(index)].weights", kind: .weights, bytes: level.weights)]
            + Self.optional("levels[\(index)].scales", .scales, level.scales)
            + Self.optional("levels[\(index)].offsets", .offsets, level.offsets)
            + [ConstantField(name: "levels[\(index)].storedSums", kind: .storedSums, bytes: level.storedSums)]
            + Self.groups("levels[\(index)]", level.groups)
        }
    case .depthwise(let depthwise):
      [
        ConstantField(name: "weights", kind: .depthwiseWeights, bytes: depthwise.weights),
        ConstantField(name: "scales", kind: .scales, bytes: depthwise.scales),
      ]
    case .table(let table):
      Self.optional("scatter", .channelMap, table.scatter)
        + table.levels.enumerated().flatMap { index, level in
          [
            ConstantField(name: "levels[\(index)].codes", kind: .tableCodes, bytes: level.codes),
            ConstantField(name: "levels[\(index)].scales", kind: .tableScales, bytes: level.scales),
          ]
        }
    }
  }

  private static func groups(_ place: String, _ groups: LevelGroups?) -> [ConstantField] {
    guard let groups else { return [] }
    let scales = ConstantField(
      name: "\(place).groupScales", kind: .groupScales, bytes: groups.scales,
      elementSize: groups.numbers.byteCount)
    return [scales]
      + (groups.offsets.map {
        [
          ConstantField(
            name: "\(place).groupOffsets", kind: .groupOffsets, bytes: $0,
            elementSize: groups.numbers.byteCount)
        ]
      } ?? [])
  }

  private static func optional(_ name: String, _ kind: SectionKind, _ bytes: ConstantBytes?)
    -> [ConstantField]
  {
    bytes.map { [ConstantField(name: name, kind: kind, bytes: $0)] } ?? []
  }
}
