import SoniqCore
import SoniqGraph

/// One array of a constant, and the section that holds it.
struct ConstantField {
  /// As GraphError and docs/format.md call it: "levels[0].scales".
  var name: String
  var kind: SectionKind
  var bytes: ConstantBytes

  /// Bytes of one element, for the offset of an element in an error.
  var elementSize: Int {
    switch kind {
    case .tableScales: 2
    case .weights, .tableCodes, .depthwiseWeights: 1
    default: 4
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
          [
            ConstantField(name: "levels[\(index)].weights", kind: .weights, bytes: level.weights),
            ConstantField(name: "levels[\(index)].scales", kind: .scales, bytes: level.scales),
          ] + Self.optional("levels[\(index)].offsets", .offsets, level.offsets)
            + [ConstantField(name: "levels[\(index)].storedSums", kind: .storedSums, bytes: level.storedSums)]
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

  private static func optional(_ name: String, _ kind: SectionKind, _ bytes: ConstantBytes?)
    -> [ConstantField]
  {
    bytes.map { [ConstantField(name: name, kind: kind, bytes: $0)] } ?? []
  }
}
