import SoniqCore
import SoniqGraph
import SoniqPack
import Testing

/// What `soniq-pack pack --dry-run` says against what packing then does.
@Suite struct PackPlanTests {
  private func options(_ palette: String, target: Double? = nil, share: Double? = nil) throws -> PackOptions {
    var options = PackOptions(palette: try Palette(palette))
    options.targetBits = target
    options.coarseShare = share
    return options
  }

  /// A stem, a depthwise convolution, one of two groups, and two linear layers.
  private func network() throws -> ImportedModel {
    let model = try OnnxWriter()
    model.input("x", ["batch", "3", "12", "12"])
    func ramp(_ count: Int) -> [Float] { (0..<count).map { Float($0 % 11) / 11 - 0.45 } }
    model.floats("stem.w", ramp(32 * 3 * 9), [32, 3, 3, 3])
    model.node("Conv", ["x", "stem.w"], ["stem"], ["pads": .integers([1, 1, 1, 1])])
    model.node("Relu", ["stem"], ["a"])
    model.floats("deep.w", ramp(32 * 9), [32, 1, 3, 3])
    model.node("Conv", ["a", "deep.w"], ["deep"], ["group": .integer(32)])
    model.floats("groups.w", ramp(32 * 16 * 9), [32, 16, 3, 3])
    model.node("Conv", ["deep", "groups.w"], ["groups"], ["group": .integer(2)])
    model.node("GlobalAveragePool", ["groups"], ["pooled"])
    model.node("Flatten", ["pooled"], ["flat"])
    model.floats("dense.w", ramp(32 * 40), [32, 40])
    model.node("MatMul", ["flat", "dense.w"], ["dense"])
    model.floats("last.w", ramp(40), [40, 1])
    model.node("MatMul", ["dense", "last.w"], ["y"])
    model.output("y")
    return try OnnxImporter.importModel(path: try model.write())
  }

  private func requireAgreement(_ imported: ImportedModel, _ options: PackOptions) throws {
    let plan = try ModelPacker(options: options).plan(imported)
    let (packed, report) = try ModelPacker(options: options).pack(imported)
    #expect(plan.weightCount == report.weights.weightCount)
    #expect(plan.bytes.contains(report.weights.byteCount), "\(plan.bytes) for \(report.weights)")
    #expect(plan.layers.count == report.layers.count)
    for (layer, made) in zip(plan.layers, report.layers) {
      #expect(layer.bytes.contains(made.account.byteCount), "\(layer) for \(made)")
      let spellings = layer.levels.map { layer.kind == "table" ? "w\($0.weight.bits)" : $0.spelling }
      #expect(
        Set(made.levels).isSubset(of: spellings.isEmpty ? ["f32"] : Set(spellings)), "\(layer) for \(made)")
    }
    #expect(plan.operations.values.reduce(0, +) == packed.graph.nodes.count)
  }

  @Test(arguments: ["8", "4", "2", "4,8", "2,8", "w1a1+w4a4", "4g32", "8g16", "3g128", "f32"])
  func encodersArePackedAsPlanned(
    palette: String
  )
    throws
  {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    try requireAgreement(imported, options(palette))
  }

  @Test func optionsCount() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    try requireAgreement(imported, options("4,8", target: 9.5))
    try requireAgreement(imported, options("4,8", share: 0.5))
    // With a share nothing is left to decide.
    let plan = try ModelPacker(options: options("4,8", share: 0.5)).plan(imported)
    #expect(plan.bytes.count == 1)
    #expect(plan.samplesNeeded.isEmpty)
    #expect(throws: PackError.self) { try ModelPacker(options: options("4,8", target: 2)).plan(imported) }
    #expect(throws: PackError.self) { try ModelPacker(options: options("8", target: 8)).plan(imported) }
  }

  @Test(arguments: ["8", "4", "4,8", "2,8", "4g32", "f32"]) func convolutionsArePackedAsPlanned(
    palette: String
  )
    throws
  {
    let imported = try network()
    var options = try options(palette)
    let images = (0..<6 * 3 * 144).map { Float($0 % 17) / 17 - 0.4 }
    options.calibration = try .samples(
      #require(
        SampleArrays(
          arrays: [InputArray(name: "x", floats: images, shape: [6, 3, 12, 12])], source: "test",
          fixedLengths: [nil])))
    try requireAgreement(imported, options)
    let plan = try ModelPacker(options: options).plan(imported)
    #expect(
      plan.layers.map(\.kind) == [
        "convolution", "depthwise", "convolution", "convolution", "linear", "linear",
      ])
    #expect(plan.samplesNeeded == (palette == "f32" ? [] : ["x"]))
  }

  /// One channel would be padded to 16: it stays float32, and the plan says so.
  @Test func layersThatWouldGrowAreFloat() throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "1", "8", "8"])
    model.floats("w", (0..<25).map { Float($0) / 25 - 0.4 }, [1, 1, 5, 5])
    model.node("Conv", ["x", "w"], ["y"])
    model.output("y")
    let imported = try OnnxImporter.importModel(path: try model.write())
    var options = try options("8")
    options.calibration = try .samples(
      #require(
        SampleArrays(
          arrays: [InputArray(name: "x", floats: (0..<128).map { Float($0 % 17) }, shape: [2, 1, 8, 8])],
          source: "test", fixedLengths: [nil])))
    try requireAgreement(imported, options)
    let layer = try #require(ModelPacker(options: options).plan(imported).layers.first)
    #expect(layer.levels.isEmpty)
    #expect(layer.bytes == 100...100)
  }
}
