import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

@Suite struct ScheduleTests {
  static func schedule(
    _ graph: Graph, keptValues: [ValueID] = [], areEndsExternal: Bool = false, writesCodes: Bool = true
  ) -> Schedule {
    // Scheduled and never run: this CPU need not have the instructions.
    let kernels = StepKernels(
      on: (writesCodes ? InstructionSet.avx512 : .portable).ceiling, profile: .committed, mostRows: .many,
      allowsCopies: true)
    return Schedule(
      graph, keptValues: keptValues, areEndsExternal: areEndsExternal,
      maximums: graph.symbols.map(\.maximum), kernels: kernels)
  }

  /// What a step does, in one word.
  private static func name(_ work: any ScheduledWork) -> String {
    switch work {
    case is QuantizeWork: "quantize"
    case let work as MatmulWork: work.function == nil ? "matmul" : "matmul+activation"
    case let work as NormWork: work.name
    case is ActivationWork: "activation"
    case let work as AddWork: work.rectifies ? "add+relu" : "add"
    case is DenseLookupWork: "lookup"
    case is PositionsWork: "positions"
    case is MeanPoolWork: "pool"
    case is NormalizeWork: "normalize"
    case is AttentionWork: "attention"
    default: "other"
    }
  }

  /// Two layers of an encoder: additions go into the norms, activations into the matrices.
  @Test func encodersAreFused() {
    let encoder = SyntheticEncoder(seed: 7900, precision: .quantized)
    let schedule = Self.schedule(encoder.graph)
    let layer = [
      "quantize", "matmul", "attention", "quantize", "matmul", "layerNorm", "quantize", "matmul+activation",
      "quantize", "matmul", "layerNorm",
    ]
    #expect(
      schedule.steps.map { Self.name($0.work) }
        == ["lookup", "positions", "lookup", "layerNorm"] + layer + layer + ["pool", "normalize"])
    // Up to the first product, from attention on up to the next one's, the last and the pooled rows.
    let query = schedule.steps[4..<6].map(\.segment)
    #expect(query.allSatisfy { $0 == schedule.steps[3].segment }, "one pass from the norm to the product")
    #expect(schedule.segmentCount == Set(schedule.steps.map(\.segment)).count)
    for (index, step) in schedule.steps.enumerated() where Self.name(step.work) == "attention" {
      #expect(schedule.steps[index - 1].segment < step.segment)
      #expect(schedule.steps[index + 1].segment > step.segment)
    }
  }

  /// A value that somebody wants to read is made, whatever could be fused over it.
  @Test func keptValuesAreNotFusedAway() {
    let encoder = SyntheticEncoder(seed: 7901, precision: .quantized)
    let sums = encoder.graph.nodes.compactMap { node -> ValueID? in
      if case .add = node.operation { node.output } else { nil }
    }
    let schedule = Self.schedule(encoder.graph, keptValues: sums)
    #expect(schedule.steps.filter { Self.name($0.work) == "add" }.count == sums.count)
    #expect(sums.allSatisfy { schedule.slots[$0].writer != nil && schedule.slots[$0].isKept })
  }

  @Test(arguments: UInt64(8000)..<8060) func everyStepReadsWhatAnEarlierOneMade(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let random = RandomGraph(nodes: Int.random(in: 1...25, using: &generator), using: &generator)
    try random.graph.validate()
    for writesCodes in [true, false] {
      let schedule = Self.schedule(random.graph, keptValues: random.keptValues, writesCodes: writesCodes)
      Self.checkSlots(schedule, seed: seed)
      Self.checkNumbers(schedule, seed: seed)
      for value in random.graph.outputs + random.keptValues {
        let slot = schedule.slots[value]
        #expect(slot.isKept && (slot.writer != nil || slot.aliasOf != nil), "seed \(seed): value \(value)")
      }
      // Every node is done by a step, or is the memory of another value.
      let done = Set(schedule.steps.flatMap(\.nodes))
      for (index, node) in random.graph.nodes.enumerated() where !done.contains(index) {
        #expect(schedule.slots[node.output].aliasOf != nil, "seed \(seed): node \(index)")
      }
    }
  }

  private static func checkSlots(_ schedule: Schedule, seed: UInt64) {
    for (index, step) in schedule.steps.enumerated() {
      for slot in step.reads {
        let source = schedule.slots[schedule.slots[slot].aliasOf ?? slot]
        let isThere = source.input != nil || source.constant != nil || (source.writer ?? .max) < index
        #expect(isThere, "seed \(seed): step \(index) reads slot \(slot)")
        #expect(schedule.slots[slot].readers.contains(index), "seed \(seed): slot \(slot)")
      }
      for slot in step.writes {
        // Codes that the matrix before has written already are read where they are.
        let writer = schedule.slots[slot].writer
        let isTaken = step.reads == [slot] && writer.map { schedule.steps[$0].sink != nil } == true
        #expect(writer == index || isTaken, "seed \(seed): slot \(slot)")
      }
      #expect(step.inPlaceOf.allSatisfy { step.reads.contains($0) }, "seed \(seed): step \(index)")
    }
    for (index, slot) in schedule.slots.enumerated() {
      #expect(slot.readers == slot.readers.sorted(), "seed \(seed): slot \(index)")
      #expect(slot.readers.allSatisfy { schedule.steps[$0].reads.contains(index) }, "seed \(seed): \(index)")
      if let source = slot.aliasOf {
        #expect(schedule.slots[source].isShared && schedule.slots[source].aliasOf == nil)
      }
    }
  }

  private static func checkNumbers(_ schedule: Schedule, seed: UInt64) {
    #expect(schedule.steps.first.map { $0.segment == 0 && $0.group == 0 } ?? true)
    for (step, next) in zip(schedule.steps, schedule.steps.dropFirst()) {
      let segments = next.segment - step.segment
      let groups = next.group - step.group
      #expect((0...1).contains(segments) && (0...1).contains(groups) && groups >= segments, "seed \(seed)")
      if segments == 0 {
        #expect(
          step.space == next.space && !next.work.traits.contains(.readsOtherRows)
            && !step.work.traits.contains(.ownUnits))
        if step.work.traits.union(next.work.traits).contains(.matrix) { #expect(groups == 1, "seed \(seed)") }
      }
    }
    #expect(schedule.steps.last.map { $0.segment + 1 == schedule.segmentCount } ?? true)
    #expect(schedule.steps.last.map { $0.group + 1 == schedule.groupCount } ?? true)
  }

  /// Codes of one fixed scale that only one step reads are written in place of the floats.
  @Test func sinksNeedKernelsThatWriteCodes() {
    // The code of a number is that of the number after the ReLU, which is left out.
    var shape = SyntheticEncoder.Shape()
    shape.function = .relu
    let encoder = SyntheticEncoder(seed: 7902, shape: shape, precision: .quantized) { _ in
      [Level.affine(8, 8).fixed(0.02, zero: 0)]
    }
    let sinks = { (writesCodes: Bool) in
      Self.schedule(encoder.graph, writesCodes: writesCodes).steps.filter { $0.sink != nil }.count
    }
    // The wider of each layer's inner matrices writes the codes of the other.
    #expect(sinks(true) == encoder.shape.layers)
    #expect(sinks(false) == 0)
  }
}
