import Foundation
import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

/// The largest models that the limits allow are read in linear time and little memory.
@Suite(.serialized) struct LimitTests {
  /// A node makes a value, and one is the input.
  static let nodeCount = FormatLimits.maximumValues - 1

  /// A chain of as many nodes as allowed, all names as long as allowed, metadata up to its limits.
  static func largest() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    graph.constants = [.dense(constants.dense([8])), .dense(constants.dense([8]))]
    graph.constantNames = ["gamma", "beta"]
    for index in 0...nodeCount {
      graph.values.append(
        Value(name: name("v", index), elementType: .float32, shape: [.fixed(1), .fixed(8)]))
    }
    for index in 0..<nodeCount {
      let operation: SoniqGraph.Operation =
        index % 2 == 0 ? .layerNorm(gamma: 0, beta: 1, epsilon: 1) : .activation(.relu)
      graph.nodes.append(
        Node(name: name("n", index), operation: operation, inputs: [index], output: index + 1))
    }
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [nodeCount]
    let metadata = (0..<FormatLimits.maximumMetadataEntries).map {
      (key: "test.\($0)", value: MetadataValue.text(String(repeating: "x", count: 900)))
    }
    return ModelDescription(graph: graph, metadata: metadata, owner: constants.owners)
  }

  private static func name(_ prefix: String, _ index: Int) -> String {
    let number = "\(prefix)\(index)"
    return number + String(repeating: "_", count: FormatLimits.maximumNameLength - number.utf8.count)
  }

  /// Runs in a process of its own, so that its peak of memory is that of reading.
  @Test func largestModel() async throws {
    let path = NSTemporaryDirectory() + "soniq-largest-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try ModelWriter.write(Self.largest(), toPath: path)
    await #expect(processExitsWith: .success) { [path = path as String] in
      let before = try Self.kilobytes(of: "VmHWM", in: "/proc/self/status")
      var model: ModelDescription?
      let time = try ContinuousClock().measure { model = try ModelFile.open(path: path) }
      let growth = try Self.kilobytes(of: "VmHWM", in: "/proc/self/status") - before
      #expect(model?.graph.nodes.count == Self.nodeCount)
      let size = try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
      #expect(growth * 1024 < size + 64 << 20)
      // Unoptimised builds take about a second; anything quadratic takes minutes.
      #expect(time < .seconds(20))
    }
  }

  /// 25 MB of weights are mapped, not read: hardly a page of them is touched.
  @Test func openingDoesNotReadTheWeights() throws {
    var model = SampleModels.small()
    let zeros = AlignedBuffer(byteCount: 4 << 20)
    model.owner.append(zeros)
    for index in 0..<6 {
      model.graph.constantNames.append("zeros.\(index)")
      model.graph.constants.append(
        .dense(DenseConstant(elementType: .int32, shape: [1 << 20], bytes: ConstantBytes(zeros))))
    }
    let name = "soniq-open-\(UUID().uuidString)"
    let path = NSTemporaryDirectory() + name
    defer { try? FileManager.default.removeItem(atPath: path) }
    try ModelWriter.write(model, toPath: path)
    let read = try ModelFile.open(path: path)
    let resident = try withExtendedLifetime(read) {
      try Self.kilobytes(of: "Rss", in: "/proc/self/smaps", after: name)
    }
    #expect(read.graph.constants.count == 8)
    // The kernel maps 64 KiB around each touched page.
    #expect((1..<4096).contains(resident), "\(resident) kB")
  }

  /// The number of a line "name: number kB" of a file of /proc, the first behind a line with `marker`.
  private static func kilobytes(of name: String, in file: String, after marker: String = "") throws -> Int {
    let handle = try #require(FileHandle(forReadingAtPath: file))
    let data = try #require(try handle.readToEnd())
    let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
    let start = try #require(lines.firstIndex { marker.isEmpty || $0.contains(marker) })
    let line = try #require(lines[start...].first { $0.hasPrefix(name + ":") })
    return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
  }
}
