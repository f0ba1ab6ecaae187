import SoniqCore

extension PackPlan {
  /// What `soniq-pack pack --dry-run` prints.
  package func table(title: String) -> String {
    var rows = [["layer", "kind", "shape", "levels", "layout", "activations", "bytes"]]
    for layer in layers {
      rows.append([
        layer.name, layer.kind, layer.shape,
        Self.joined(layer.levels.map { spelling($0, layer) }, empty: "f32"),
        Self.joined(layer.levels.map { "\($0.weight.layout)" }, empty: "floats"),
        Self.joined(layer.activations, empty: layer.kind == "table" ? "-" : "float32"),
        Self.words(layer.bytes),
      ])
    }
    var lines = ["\(title): would be packed with palette \(palette); nothing is written"]
    lines += Self.aligned(rows)
    lines.append("\(weightCount) weights in \(Self.words(bytes)) bytes, \(bitWords) bits each")
    let kinds = operations.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
    lines.append("operations: \(kinds.joined(separator: ", "))")
    if layers.contains(where: { $0.bytes.count > 1 }) {
      lines.append("ranges: calibration decides which channels get which level, or a scale of their own")
    }
    if !samplesNeeded.isEmpty {
      lines.append("to pack, --calibrate needs samples of \(samplesNeeded.joined(separator: ", "))")
    }
    return lines.map(PlainText.escaped).joined(separator: "\n")
  }

  private func spelling(_ level: Level, _ layer: Layer) -> String {
    layer.kind == "table" ? "w\(level.weight.bits)" : level.spelling
  }

  private var bitWords: String {
    let bits = [bytes.lowerBound, bytes.upperBound].map {
      decimal(weightCount == 0 ? 0 : Double($0) * 8 / Double(weightCount), 4)
    }
    return bits[0] == bits[1] ? bits[0] : "\(bits[0]) to \(bits[1])"
  }

  private static func joined(_ words: [String], empty: String) -> String {
    var seen: Set<String> = []
    let unique = words.filter { seen.insert($0).inserted }
    return unique.isEmpty ? empty : unique.joined(separator: " or ")
  }

  private static func words(_ range: ClosedRange<Int>) -> String {
    range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
  }

  private static func aligned(_ rows: [[String]]) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      "  "
        + row.enumerated().map { column, cell in
          column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
        }.joined(separator: "  ")
    }
  }

  /// The same as a JSON object.
  package var json: JSONValue {
    .object([
      JSONMember("palette", .text(palette)), JSONMember("layers", .array(layers.map(json))),
      JSONMember("weight_count", .integer(weightCount)), JSONMember("bytes_min", .integer(bytes.lowerBound)),
      JSONMember("bytes_max", .integer(bytes.upperBound)),
      JSONMember(
        "operations",
        .object(operations.sorted { $0.key < $1.key }.map { JSONMember($0.key, .integer($0.value)) })),
      JSONMember("samples_needed", .array(samplesNeeded.map { .text($0) })),
    ])
  }

  private func json(_ layer: Layer) -> JSONValue {
    .object([
      JSONMember("name", .text(layer.name)), JSONMember("kind", .text(layer.kind)),
      JSONMember("shape", .text(layer.shape)),
      JSONMember("levels", .array(layer.levels.map { .text(spelling($0, layer)) })),
      JSONMember("layouts", .array(layer.levels.map { .text("\($0.weight.layout)") })),
      JSONMember("activations", .array(layer.activations.map { .text($0) })),
      JSONMember("weight_count", .integer(layer.weightCount)),
      JSONMember("bytes_min", .integer(layer.bytes.lowerBound)),
      JSONMember("bytes_max", .integer(layer.bytes.upperBound)),
      JSONMember("own_codes", .boolean(layer.hasOwnCodes)),
    ])
  }
}
