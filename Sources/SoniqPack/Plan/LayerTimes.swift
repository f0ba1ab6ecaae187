import SoniqCore

/// What the layers of a model take on a machine, at the two levels of a palette.
package struct LayerTimes: Sendable, Hashable {
  package struct Layer: Sendable, Hashable {
    package var name: String
    /// Nanoseconds of a run with all channels at the coarse level, every other one, and none; making the codes of its
    /// activations included.
    package var coarse: Double
    package var mixed: Double
    package var fine: Double
  }

  /// A dynamic size as it was.
  package struct Size: Sendable, Hashable {
    package var name: String
    package var value: Int
  }

  /// Coarse and fine, as "w4a8".
  package var levels: [String]
  package var target = PackTarget.any
  package var machine: String
  package var threads: Int
  package var sizes: [Size] = []
  /// Nanoseconds of a whole run with all channels at the fine level.
  package var whole: Double
  /// In the order of the model.
  package var layers: [Layer] = []
}

extension LayerTimes {
  private static let version = 1

  package var json: JSONValue {
    .object([
      JSONMember("version", .integer(Self.version)), JSONMember("machine", .text(machine)),
      JSONMember("threads", .integer(threads)), JSONMember("levels", .array(levels.map { .text($0) })),
      JSONMember("target", .text(target.rawValue)),
      JSONMember("sizes", .object(sizes.map { JSONMember($0.name, .integer($0.value)) })),
      JSONMember("whole_ns", .real(whole)),
      JSONMember(
        "layers",
        .array(
          layers.map { layer in
            .object([
              JSONMember("name", .text(layer.name)), JSONMember("coarse_ns", .real(layer.coarse)),
              JSONMember("mixed_ns", .real(layer.mixed)), JSONMember("fine_ns", .real(layer.fine)),
            ])
          })),
    ])
  }

  /// What `json` wrote.
  /// - Throws: `noInput`, `data`.
  package static func read(path: String) throws(PackError) -> LayerTimes {
    let file = try MappedFile(path: path)
    do throws(JSONParser.Failure) {
      if let times = LayerTimes(try JSONParser.parse(file.bytes)) { return times }
    } catch {
      throw PackError(.data, file: path, "is no JSON: \(error.message) at byte \(error.offset)")
    }
    throw PackError(.data, file: path, "holds no times of layers: write it with soniq-pack measure-layers")
  }

  private init?(_ json: JSONValue) {
    guard json["version"]?.integer == Self.version, let machine = json["machine"]?.text,
      let threads = json["threads"]?.integer, threads >= 1,
      let both = json["levels"]?.array, both.count == 2, let coarse = both[0].text, let fine = both[1].text,
      let target = json["target"]?.text.flatMap(PackTarget.init),
      let whole = json["whole_ns"].flatMap(Self.time),
      let sizes = json["sizes"]?.object, let layers = json["layers"]?.array
    else { return nil }
    self.init(levels: [coarse, fine], target: target, machine: machine, threads: threads, whole: whole)
    for size in sizes {
      guard let value = size.value.integer else { return nil }
      self.sizes.append(Size(name: size.key, value: value))
    }
    for layer in layers {
      guard let name = layer["name"]?.text, let coarse = layer["coarse_ns"].flatMap(Self.time),
        let mixed = layer["mixed_ns"].flatMap(Self.time), let fine = layer["fine_ns"].flatMap(Self.time)
      else { return nil }
      self.layers.append(Layer(name: name, coarse: coarse, mixed: mixed, fine: fine))
    }
  }

  /// Up to a day.
  private static func time(_ json: JSONValue) -> Double? {
    json.real.flatMap { $0.isFinite && $0 >= 0 && $0 < 1e14 ? $0 : nil }
  }

  /// What `soniq-pack measure-layers` prints.
  package func table(title: String) -> String {
    let at = sizes.isEmpty ? "" : ", " + sizes.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
    var rows = [["layer", levels[0], "half of each", levels[1]]]
    for layer in layers {
      rows.append([layer.name] + [layer.coarse, layer.mixed, layer.fine].map { decimal($0 / 1e3, 1) })
    }
    let other = whole - layers.reduce(0) { $0 + $1.fine }
    rows.append(["all else", decimal(other / 1e3, 1), decimal(other / 1e3, 1), decimal(other / 1e3, 1)])
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      "  "
        + row.enumerated().map { column, cell in
          let space = String(repeating: " ", count: widths[column] - cell.count)
          return column == 0 ? cell + space : space + cell
        }.joined(separator: "  ")
    }
    let threadWords = threads == 1 ? "one thread" : "\(threads) threads"
    return
      ([
        "\(title): a run takes \(decimal(whole / 1e6, 3)) ms at \(levels[1]) (\(machine), \(threadWords)\(at)); microseconds:"
      ] + lines).map(PlainText.escaped).joined(separator: "\n")
  }
}
