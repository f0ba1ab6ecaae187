import Foundation
import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqPack

@Suite struct LayerTimesTests {
  private func asked(_ milliseconds: Double, _ times: LayerTimes? = nil) throws -> PackOptions {
    var options = PackOptions(palette: try Palette("4,8"))
    options.targetLatency = LatencyTarget(milliseconds: milliseconds, times: times)
    return options
  }

  /// Of the tiny checkpoint's layers: the coarse level takes half as long.
  private func times(_ imported: ImportedModel) throws -> LayerTimes {
    var times = LayerTimes(
      levels: ["w4a8", "w8a8"], machine: "a \"machine\"", threads: 2,
      sizes: [.init(name: "sequence", value: 9)],
      whole: 100e6)
    times.layers = try WeightLayers(imported.description.graph).linears.map {
      LayerTimes.Layer(name: $0.name, coarse: 5e6, mixed: 7.6e6, fine: 10e6)
    }
    return times
  }

  private func written(_ text: String) throws -> String {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).json").path
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    return path
  }

  @Test func textComesBackAsItWas() throws {
    let checkpoint = try TinyCheckpoint()
    let times = try times(FolderImporter.importModel(path: checkpoint.path))
    let path = try written(times.json.written())
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(try LayerTimes.read(path: path) == times)
    #expect(times.table(title: "m").contains("all else"))
  }

  @Test func everyTruncationIsAnError() throws {
    let checkpoint = try TinyCheckpoint()
    let text = try times(FolderImporter.importModel(path: checkpoint.path)).json.written()
    let path = try written("")
    defer { try? FileManager.default.removeItem(atPath: path) }
    for length in stride(from: 0, to: text.utf8.count, by: 7) {
      try String(decoding: text.utf8.prefix(length), as: UTF8.self)
        .write(toFile: path, atomically: false, encoding: .utf8)
      let error = #expect(throws: PackError.self) { try LayerTimes.read(path: path) }
      #expect(error?.kind == .data)
    }
  }

  @Test(arguments: [
    ("\"version\": 1", "\"version\": 2"), ("\"threads\": 2", "\"threads\": 0"), ("\"w4a8\", ", ""),
    ("\"w4a8\"", "4"), ("[\"w4a8\"", "[4, \"w4a8\""),
    ("\"target\": \"any\"", "\"target\": \"x\""), ("100000000.0", "-1"), ("5000000.0", "1e300"),
    ("\"sequence\": 9", "\"sequence\": \"9\""), ("\"name\"", "\"title\""),
  ])
  func textsThatAreNoneAreRefused(old: String, new: String) throws {
    let checkpoint = try TinyCheckpoint()
    let text = try times(FolderImporter.importModel(path: checkpoint.path)).json.written()
    try #require(text.contains(old), "\(text.prefix(300))")
    let path = try written(text.replacing(old, with: new, maxReplacements: 1))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let error = #expect(throws: PackError.self) { try LayerTimes.read(path: path) }
    #expect(error?.kind == .data && error?.message.contains("measure-layers") == true)
  }

  /// The times of another machine decide alone: the same file comes out each time.
  @Test(arguments: [55.0, 80, 100]) func givenTimesAreKept(target: Double) throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    let times = try times(imported)
    let count = Double(times.layers.count)
    let milliseconds = 100 - (1 - target / 100) * 10 * count
    let (_, report) = try ModelPacker(options: asked(milliseconds, times)).pack(imported)
    let (_, again) = try ModelPacker(options: asked(milliseconds, times)).pack(imported)
    #expect(report == again)
    let latency = try #require(report.latency)
    #expect(latency.predicted <= milliseconds * 1.000001 && latency.measured == nil)
    #expect(latency.conditions == "2 threads, sequence 9, on a \"machine\"")
    let levels = Set(report.layers.flatMap(\.levels))
    #expect(levels.contains("w4a8") == (target < 100))
    #expect(report.summary(path: "m", byteCount: 1).contains("not measured here"))
  }

  @Test func timesOfAnotherModelPaletteOrTargetAreRefused() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    let times = try times(imported)
    var levels = times
    levels.levels = ["w2a8", "w8a8"]
    var target = times
    target.target = .avx2
    var layers = times
    layers.layers.removeLast()
    for (wrong, words) in [(levels, "w2a8"), (target, "avx2"), (layers, "other layers")] {
      let error = #expect(throws: PackError.self) {
        try ModelPacker(options: asked(1000, wrong)).pack(imported)
      }
      #expect(error?.kind == .data && error?.description.contains(words) == true)
    }
    let error = #expect(throws: PackError.self) { try ModelPacker(options: asked(1, times)).pack(imported) }
    #expect(error?.kind == .usage && error?.message.contains("too short") == true)
  }

  /// On this machine: whatever the times are, every layer has some, and a long run is at the fine level throughout.
  @Test func layersAreMeasured() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    var options = try asked(60_000)
    options.timing.sizes = ["sequence": 7]
    let times = try ModelPacker(options: options).measureLayers(imported)
    #expect(times.layers.map(\.name) == (try WeightLayers(imported.description.graph).linears.map(\.name)))
    #expect(times.layers.allSatisfy { $0.coarse > 0 && $0.mixed > 0 && $0.fine > 0 } && times.whole > 0)
    #expect(times.sizes.contains { $0.name == "sequence" && $0.value == 7 })
    let (_, report) = try ModelPacker(options: options).pack(imported)
    #expect(report.latency?.measured != nil && !report.layers.contains { $0.levels.contains("w4a8") })
  }

  @Test func whatCannotBeTimedIsRefused() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    for (sizes, words) in [(["x": 3], "no dynamic size"), (["sequence": 1 << 20], "is not from 1 to")] {
      var options = try asked(1000)
      options.timing.sizes = sizes
      let error = #expect(throws: PackError.self) { try ModelPacker(options: options).pack(imported) }
      #expect(error?.kind == .usage && error?.description.contains(words) == true)
    }
    for milliseconds in [0, -1, Double.nan, .infinity] {
      let error = #expect(throws: PackError.self) {
        try ModelPacker(options: asked(milliseconds)).pack(imported)
      }
      #expect(error?.kind == .usage)
    }
    var options = try asked(5)
    options.targetBits = 6
    #expect(throws: PackError.self) { try ModelPacker(options: options).pack(imported) }
    options = PackOptions(palette: try Palette("8"))
    options.targetLatency = LatencyTarget(milliseconds: 5)
    #expect(throws: PackError.self) { try ModelPacker(options: options).pack(imported) }
    #expect(throws: PackError.self) { try ModelPacker(options: options).measureLayers(imported) }
  }
}
