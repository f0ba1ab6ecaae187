import SoniqCore

/// A comparison in words: for people as a table, for programs as JSON.
package struct ComparisonReport: Sendable {
  package var model: String
  package var file: String
  package var comparison: Comparison
  /// Samples, or runs, that were compared on, and where they come from.
  package var sampleCount: Int
  package var source: String
  /// Of made-up samples.
  package var seed: UInt64?
  /// The relative error above which a layer counts as having parted.
  package var threshold: Double
  /// How many layers the table shows.
  package var shownLayers: Int

  package init(
    model: String, file: String, comparison: Comparison, sampleCount: Int, source: String, seed: UInt64?,
    threshold: Double, shownLayers: Int
  ) {
    self.model = model
    self.file = file
    self.comparison = comparison
    self.sampleCount = sampleCount
    self.source = source
    self.seed = seed
    self.threshold = threshold
    self.shownLayers = shownLayers
  }

  /// Lines for people.
  package var table: String {
    var lines = ["\(file) against \(model) in float32, \(sampleCount) samples: \(source)"]
    if let seed {
      lines.append(
        "seed \(seed). Random numbers are not what the model is for: on real inputs packing may cost less or more"
      )
    }
    lines += outputLines
    if shownLayers > 0 { lines += layerLines }
    return lines.map(PlainText.escaped).joined(separator: "\n")
  }

  private var outputLines: [String] {
    var rows = [["output", "lowest cosine", "largest difference", "of the largest", "equal argmax"]]
    for output in comparison.outputs {
      rows.append([
        output.name, decimal(output.minimumCosine, 6), Self.short(output.numbers.largest),
        Self.percent(output.numbers.relativeLargest),
        output.equalShare.map { "\(Self.percent($0)) of \(output.rows)" } ?? "-",
      ])
    }
    return Self.aligned(rows) + notFinite(comparison.outputs.map { ($0.name, $0.numbers.passedOver) })
  }

  private var layerLines: [String] {
    let layers = comparison.layers
    let shown = Set(
      layers.indices.sorted { (layers[$0].added, $1) > (layers[$1].added, $0) }.prefix(shownLayers))
    var title = "\(layers.count) layers of one name in both"
    if shown.count < layers.count { title += "; the \(shown.count) that add most" }
    var rows = [["layer", "relative error", "added", "kind"]]
    for index in layers.indices where shown.contains(index) {
      let layer = layers[index]
      rows.append([
        layer.name, Self.percent(layer.error), Self.percent(layer.added, signed: true), layer.operation,
      ])
    }
    var lines = [title] + Self.aligned(rows)
    if let first = comparison.firstLayer(beyond: threshold) {
      lines.append(
        "they part at \(first.name): the first layer with an error above \(Self.percent(threshold)), "
          + Self.percent(first.error))
    } else {
      lines.append("no layer has an error above \(Self.percent(threshold))")
    }
    if let jump = comparison.largestJump {
      lines.append(
        "the largest jump is at \(jump.name): \(Self.percent(jump.error - jump.added)) -> "
          + Self.percent(jump.error) + (jump.source.map { ", after \($0)" } ?? ", first in its path"))
    } else {
      lines.append("no layer adds any error")
    }
    if !comparison.reordered.isEmpty {
      lines.append(
        "\(comparison.reordered.count) values are not compared, because packing sorted their channels: "
          + Self.list(comparison.reordered))
    }
    return lines + notFinite(layers.map { ($0.name, $0.notFinite) })
  }

  private func notFinite(_ counts: [(String, Int)]) -> [String] {
    let found = counts.filter { $0.1 > 0 }
    guard !found.isEmpty else { return [] }
    return [
      "not finite in float32 and passed over: " + Self.list(found.map { "\($0.1) numbers of \($0.0)" })
    ]
  }

  private static func list(_ names: [String]) -> String {
    let most = 4
    return names.prefix(most).joined(separator: ", ")
      + (names.count > most ? " and \(names.count - most) more" : "")
  }

  /// Columns of even width, the first to the left.
  private static func aligned(_ rows: [[String]]) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell -> String in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        if column == row.count - 1 { return cell }
        return column == 0 ? cell + space : space + cell
      }
      return "  " + cells.joined(separator: "  ")
    }
  }

  /// With three digits that count.
  private static func short(_ number: Double) -> String {
    guard number.isFinite, number != 0 else { return number == 0 ? "0" : "not finite" }
    var (digits, size) = (2, number)
    while size < 1, digits < 12 {
      size *= 10
      digits += 1
    }
    return decimal(number, digits)
  }

  private static func percent(_ share: Double, signed: Bool = false) -> String {
    guard share.isFinite else { return "not finite" }
    return (signed && share >= 0 ? "+" : "") + decimal(share * 100, 2) + " %"
  }
}

extension ComparisonReport {
  /// The same as a JSON object; numbers that are not finite are null.
  package var json: JSONValue {
    .object([
      JSONMember("model", .text(model)), JSONMember("file", .text(file)),
      JSONMember("samples", .integer(sampleCount)), JSONMember("source", .text(source)),
      JSONMember("seed", seed.map { .text("\($0)") } ?? .null),
      JSONMember("outputs", .array(comparison.outputs.map(Self.json))),
      JSONMember("layers", .array(comparison.layers.map(Self.json))),
      JSONMember("reordered", .array(comparison.reordered.map { .text($0) })),
      JSONMember("threshold", Self.number(threshold)),
      JSONMember(
        "first_beyond_threshold", comparison.firstLayer(beyond: threshold).map { .text($0.name) } ?? .null),
      JSONMember("largest_jump", comparison.largestJump.map { .text($0.name) } ?? .null),
    ])
  }

  private static func json(_ output: OutputDifference) -> JSONValue {
    .object([
      JSONMember("name", .text(output.name)), JSONMember("samples", .integer(output.samples)),
      JSONMember("cosine_min", number(output.minimumCosine)),
      JSONMember("largest_difference", number(output.numbers.largest)),
      JSONMember("largest_relative_difference", number(output.numbers.relativeLargest)),
      JSONMember("largest_magnitude", number(output.numbers.magnitude)),
      JSONMember("relative_error", number(output.numbers.relativeError)),
      JSONMember("rows", .integer(output.rows)),
      JSONMember("equal_argmax", output.equalShare.map(number) ?? .null),
      JSONMember("not_finite", .integer(output.numbers.passedOver)),
    ])
  }

  private static func json(_ layer: Comparison.Layer) -> JSONValue {
    .object([
      JSONMember("name", .text(layer.name)), JSONMember("operation", .text(layer.operation)),
      JSONMember("error", number(layer.error)), JSONMember("added", number(layer.added)),
      JSONMember("after", layer.source.map { .text($0) } ?? .null),
      JSONMember("not_finite", .integer(layer.notFinite)),
    ])
  }

  private static func number(_ number: Double) -> JSONValue { number.isFinite ? .real(number) : .null }
}
