import Foundation
import SoniqGraph
import SoniqPack
import SoniqTestSupport
import Testing

/// Every broken file gives one line with the file and the thing to blame, and none stops the process.
@Suite struct OnnxMalformedTests {
  /// A convolution, a reshape and a layer: every kind of field.
  static func small() throws -> OnnxWriter {
    let model = try OnnxWriter()
    model.input("image", ["batch", "2", "4", "4"])
    model.floats("weights", (0..<54).map { Float($0) / 54 }, [3, 2, 3, 3])
    model.floats("matrix", (0..<24).map { Float($0) / 24 }, [12, 2])
    model.integers("shape", [0, -1])
    model.node("Conv", ["image", "weights"], ["features"], ["kernel_shape": .integers([3, 3])])
    model.node("LeakyRelu", ["features"], ["active"], ["alpha": .real(0.1)])
    model.node("Reshape", ["active", "shape"], ["flat"])
    model.node("MatMul", ["flat", "matrix"], ["logits"])
    model.output("logits")
    return model
  }

  private func expectError(
    kind: PackError.Kind = .data, _ parts: [String], _ model: OnnxWriter,
    _ options: OnnxOptions = OnnxOptions(),
    _ place: SourceLocation = #_sourceLocation
  ) {
    #expect(sourceLocation: place) {
      _ = try OnnxImporter.importModel(path: try model.write(), options: options)
    } throws: { error in
      guard let error = error as? PackError else { return false }
      let line = error.description
      let isRight = error.kind == kind && !line.contains("\n") && parts.allSatisfy { line.contains($0) }
      if !isRight { print(line) }
      return isRight
    }
  }

  @Test func theSmallModelIsRight() throws {
    let model = try Self.small()
    let graph = try OnnxImporter.importModel(path: try model.write()).description.graph
    #expect(graph.nodes.count == 9)
  }

  @Test func everyTruncation() throws {
    let model = try Self.small()
    let bytes = model.bytes
    // What is left out may be a whole field, so a shorter file may be a model; it must never be more than an error.
    for count in 0..<bytes.count {
      do {
        _ = try OnnxImporter.importModel(path: try model.write(Array(bytes[..<count])))
        Issue.record("a model of \(count) of \(bytes.count) bytes was taken")
      } catch let error as PackError {
        #expect(error.kind == .data, "\(count) bytes: \(error)")
      }
    }
  }

  @Test func everyByteChanged() throws {
    let model = try Self.small()
    let bytes = model.bytes
    for place in bytes.indices {
      for mask in [0x01, 0x08, 0x80, 0xff] as [UInt8] {
        var changed = bytes
        changed[place] ^= mask
        do {
          _ = try OnnxImporter.importModel(path: try model.write(changed))
        } catch let error as PackError {
          #expect([.data, .noInput].contains(error.kind), "byte \(place): \(error)")
        }
      }
    }
  }

  @Test func randomBytesInside() throws {
    let model = try Self.small()
    let bytes = model.bytes
    var generator = SeededGenerator(seed: 20_261_121)
    for _ in 0..<500 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        changed[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      do {
        _ = try OnnxImporter.importModel(path: try model.write(changed))
      } catch let error as PackError {
        #expect([.data, .noInput].contains(error.kind))
      }
    }
  }

  @Test func noFile() throws {
    #expect(throws: PackError(.noInput, file: "/nowhere/model.onnx", "No such file or directory")) {
      _ = try OnnxImporter.importModel(path: "/nowhere/model.onnx")
    }
  }

  @Test func everyUnsupportedNodeIsNamed() throws {
    let model = try Self.small()
    model.node("StringSplit", ["logits"], ["memory"])
    model.node("FusedPooling", ["logits"], ["fused"], domain: "com.microsoft")
    model.node("Identity", ["memory"], ["copied"])
    model.output("copied")
    model.output("fused")
    expectError(
      [
        "model.onnx", "2 nodes",
        "unknown operators StringSplit (1: the_memory), com.microsoft.FusedPooling (1: the_fused)",
      ], model)
  }

  @Test func namesCannotBreakTheLine() throws {
    let model = try Self.small()
    model.node("Odd\nkind\u{1b}", ["logits"], ["memory"])
    model.output("memory")
    expectError(["unknown operator Odd?kind? (1: the_memory)"], model)
  }

  @Test func anUnsupportedNodeThatNobodyNeedsIsIgnored() throws {
    let model = try Self.small()
    model.node("StringSplit", ["logits"], ["memory"])
    _ = try OnnxImporter.importModel(path: try model.write())
  }

  @Test func cycle() throws {
    let model = try OnnxWriter()
    model.input("x", ["1", "4"])
    model.node("Add", ["x", "c"], ["a"])
    model.node("Relu", ["a"], ["b"])
    model.node("Neg", ["b"], ["c"])
    model.output("c")
    expectError(["cycle"], model)
  }

  @Test func names() throws {
    let twice = try Self.small()
    twice.node("Relu", ["image"], ["flat"])
    expectError(["the_flat", "made already"], twice)
    let tensors = try Self.small()
    tensors.integers("shape", [1])
    expectError(["tensor shape", "twice"], tensors)
    let missing = try OnnxWriter()
    missing.node("Relu", ["nothing"], ["y"])
    missing.output("y")
    expectError(["the_y", "\"nothing\"", "made by no node"], missing)
    let output = try Self.small()
    output.output("nowhere")
    expectError(["output nowhere", "no node makes it"], output)
    let none = try OnnxWriter()
    expectError(["no outputs"], none)
  }

  @Test(arguments: [6, 25, 0, -1]) func opset(version: Int) throws {
    let model = try Self.small()
    model.opset = version
    expectError(["opset \(version)", "7 to 24"], model)
  }

  @Test func tensors() throws {
    let short = try Self.small()
    short.tensor("odd", type: 1, [3]) { $0.data(9, [0, 0, 0, 0]) }
    short.node("Add", ["logits", "odd"], ["sum"])
    short.output("sum")
    expectError(["tensor odd", "4 bytes", "12"], short)
    let huge = try Self.small()
    huge.tensor("odd", type: 1, [1 << 30, 1 << 30, 1 << 30]) { $0.data(9, []) }
    huge.node("Add", ["logits", "odd"], ["sum"])
    huge.output("sum")
    expectError(["tensor odd"], huge)
    let empty = try Self.small()
    empty.tensor("odd", type: 1, [1 << 30, 1 << 30, 0]) { $0.data(9, []) }
    empty.node("Add", ["logits", "odd"], ["sum"])
    empty.output("sum")
    expectError(["tensor odd", "too large"], empty)
    let strings = try Self.small()
    strings.tensor("odd", type: 8, [1]) { $0.data(6, [65]) }
    strings.node("Add", ["logits", "odd"], ["sum"])
    strings.output("sum")
    expectError(["tensor odd", "string"], strings)
    let negative = try Self.small()
    negative.tensor("odd", type: 1, [-3]) { $0.data(9, []) }
    negative.node("Add", ["logits", "odd"], ["sum"])
    negative.output("sum")
    expectError(["tensor odd", "-3"], negative)
  }

  @Test func hugeResults() throws {
    for (name, type, attributes) in [
      ("ConstantOfShape", "ConstantOfShape", [:]), ("Expand", "Expand", [:]),
    ] as [(String, String, [String: OnnxWriter.Attribute])] {
      let model = try Self.small()
      model.integers("sizes", [1 << 40, 1 << 40])
      model.floats("one", [1], [1, 1])
      model.node(type, name == "Expand" ? ["one", "sizes"] : ["sizes"], ["big"], attributes)
      model.node("Add", ["logits", "big"], ["sum"])
      model.output("sum")
      expectError(["the_big"], model)
    }
    let range = try Self.small()
    for (name, value) in [("from", 0), ("to", Int(Int64.max)), ("by", 1)] { range.integers(name, [value]) }
    range.node("Range", ["from", "to", "by"], ["big"])
    range.node("Add", ["logits", "big"], ["sum"])
    range.output("sum")
    expectError(["the_big", "range"], range)
  }

  @Test func windows() throws {
    for attribute in ["strides", "dilations", "pads"] {
      for value in [Int(Int64.max), -1, Int(Int64.min)] {
        let model = try Self.small()
        let list = [Int](repeating: value, count: attribute == "pads" ? 4 : 2)
        model.node("Conv", ["image", "weights"], ["odd"], [attribute: .integers(list)])
        model.output("odd")
        expectError(["the_odd", "not possible"], model)
      }
    }
    let volume = try OnnxWriter()
    volume.input("x", ["1", "1", "4", "4", "4", "4"])
    volume.floats("w", [Float](repeating: 1, count: 16), [1, 1, 2, 2, 2, 2])
    volume.node("Conv", ["x", "w"], ["y"])
    volume.output("y")
    expectError(["the_y", "4 spatial dimensions"], volume)
    // Where the padding depends on a size that only a run knows.
    let dynamic = try OnnxWriter()
    dynamic.input("x", ["1", "1", "height", "width"])
    dynamic.floats("w", [Float](repeating: 1, count: 25), [1, 1, 5, 5])
    dynamic.node(
      "Conv", ["x", "w"], ["y"], ["auto_pad": .text("SAME_UPPER"), "strides": .integers([3, 3])])
    dynamic.output("y")
    expectError(["the_y", "SAME_UPPER", "--shape"], dynamic)
    _ = try OnnxImporter.importModel(
      path: try dynamic.write(), options: try OnnxOptions(shapes: ["x=1,?,8,8"], maximums: []))
  }

  @Test func options() throws {
    let model = try Self.small()
    expectError(
      kind: .usage, ["--shape picture", "image"], model,
      try OnnxOptions(shapes: ["picture=1,2,4,4"], maximums: []))
    expectError(
      kind: .usage, ["--maximum rows", "batch"], model, try OnnxOptions(shapes: [], maximums: ["rows=3"]))
    expectError(["input image", "size 5"], model, try OnnxOptions(shapes: ["image=1,2,5,4"], maximums: []))
    for text in ["image", "=1,2", "image=1,x", "image=0", "image=1,-2"] {
      #expect(throws: PackError.self) { _ = try OnnxOptions(shapes: [text], maximums: []) }
    }
  }
}

/// Tensors in files of their own.
@Suite struct OnnxExternalDataTests {
  private func model(_ entries: [String: String]) throws -> OnnxWriter {
    let model = try OnnxWriter()
    model.input("x", ["1", "4"])
    model.external("odd", [2, 4], entries)
    model.node("Gemm", ["x", "odd"], ["y"], ["transB": .integer(1)])
    model.output("y")
    return model
  }

  private func put(_ name: String, _ count: Int, _ folder: URL) throws {
    try Data([UInt8](repeating: 0, count: count)).write(to: folder.appendingPathComponent(name))
  }

  private func refusal(_ model: OnnxWriter) -> String {
    do {
      _ = try OnnxImporter.importModel(path: try model.write())
      return "taken"
    } catch {
      return "\(error)"
    }
  }

  @Test func whatIsThereIsRead() throws {
    let whole = try model(["location": "weights.bin"])
    try put("weights.bin", 32, whole.folder)
    #expect(refusal(whole) == "taken")
    let part = try model(["location": "weights.bin", "offset": "64", "length": "32"])
    try put("weights.bin", 96, part.folder)
    #expect(refusal(part) == "taken")
  }

  @Test(arguments: ["../weights.bin", "/etc/passwd", "a/../../weights.bin", ".."]) func outside(
    location: String
  ) throws {
    let model = try model(["location": location])
    try put("weights.bin", 32, model.folder.deletingLastPathComponent())
    #expect(refusal(model).contains("outside the model's folder"))
  }

  @Test func links() throws {
    let model = try model(["location": "link.bin"])
    try put("weights.bin", 32, model.folder.deletingLastPathComponent())
    try FileManager.default.createSymbolicLink(
      atPath: model.folder.appendingPathComponent("link.bin").path, withDestinationPath: "../weights.bin")
    #expect(refusal(model).contains("link to outside"))
  }

  @Test func missing() throws {
    #expect(refusal(try model(["location": "weights.bin"])).contains("No such file"))
    #expect(refusal(try model([:])).contains("no location"))
  }

  @Test(arguments: [
    ["offset": "1"], ["offset": "9223372036854775807"], ["offset": "-1"], ["offset": "x"], ["length": "31"],
    ["length": "9223372036854775807"], ["length": "-32"], ["offset": "18446744073709551615"],
  ]) func places(entries: [String: String]) throws {
    let model = try model(entries.merging(["location": "weights.bin"]) { $1 })
    try put("weights.bin", 32, model.folder)
    let line = refusal(model)
    #expect(line.contains("tensor odd") && line.contains("external data"))
  }
}
