import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// What is decided of a layer while it is scheduled. Nothing runs: the CPU need not have the instructions.
@Suite struct LayerPlanTests {
  private static func kernels(_ set: InstructionSet, allowsCopies: Bool = true) -> StepKernels {
    StepKernels(on: set.ceiling, profile: .committed, mostRows: .many, allowsCopies: allowsCopies)
  }

  /// Layers that pass codes on have one kernel for any number of rows, which can do it; slots have the bytes that the
  /// kernels want, and no step wants scratch beyond what the plan says.
  @Test(arguments: InstructionSet.allCases, UInt64(8300)..<8320)
  func whatIsSizedIsWhatRuns(instructionSet: InstructionSet, seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var shape = SyntheticEncoder.Shape()
    (shape.hidden, shape.inner, shape.function) = (96, 576, .relu)
    // Some of the widths want prepared codes, and some layers pass codes on.
    let encoder = SyntheticEncoder(seed: seed, shape: shape, precision: .quantized) { _ in
      let bits = [1, 2, 2, 3, 3, 4, 7, 8].randomElement(using: &generator) ?? 8
      let level = Level.affine(bits, [3, 4, 8, 8].randomElement(using: &generator) ?? 8)
      return [Bool.random(using: &generator) ? level : level.fixed(0.02, zero: 0)]
    }
    let schedule = Schedule(
      encoder.graph, keptValues: [], areEndsExternal: false, maximums: encoder.graph.symbols.map(\.maximum),
      kernels: Self.kernels(instructionSet))
    for (index, step) in schedule.steps.enumerated() {
      guard let work = step.work as? MatmulWork else { continue }
      let layer = schedule.layers[work.layer]
      let slots = ActivationSlots(step.reads)
      let codes = schedule.slots[slots.codes(0)].writer.map { schedule.steps[$0] }
      #expect(layer.readsCodes == (codes?.sink != nil), "seed \(seed), step \(index)")
      if layer.readsCodes || step.sink != nil {
        let choices = layer.choices.joined()
        let names = Set(choices.map(\.kernel.name))
        #expect(names.count == 1, "seed \(seed), step \(index): \(names)")
        if step.sink != nil {
          #expect(
            choices.allSatisfy { $0.kernel.traits.contains(.writesCodes) }, "seed \(seed), step \(index)")
        }
      }
      for (number, level) in layer.levels.enumerated() {
        #expect(
          schedule.slots[slots.prepared(number)].rowBytes == level.preparedRowBytes,
          "seed \(seed), step \(index)")
      }
      let scratch = RowClass.allCases.map { rows in
        layer.levels.reduce(0) { $0 + $1.choices[rows.rawValue].scratchBytes($1.level) }
      }
      #expect(scratch.allSatisfy { $0 <= layer.scratchBytes }, "seed \(seed), step \(index)")
    }
  }

  /// 7 bits gain nothing over 8 with many rows: a copy, or the kernel for planes and the reason.
  @Test(arguments: [InstructionSet.avx2, .avx512]) func copiesCanBeRefused(set: InstructionSet) throws {
    var generator = SeededGenerator(seed: 8400)
    let matrix = SyntheticMatrix(
      outputs: 128, inputs: 512, levels: [(.affine(7, 8), 512)], shuffled: false, using: &generator
    ).packed
    let with = Self.kernels(set).layer(matrix).levels[0]
    let without = Self.kernels(set, allowsCopies: false).layer(matrix).levels[0]
    #expect(with.copy?.bits == 8 && without.copy == nil)
    for (choice, other) in zip(with.choices, without.choices) {
      let says = other.refusals.contains { $0.contains("copies are turned off") }
      #expect(says == (choice.copyBits != nil) && other.copyBits == nil)
      #expect(other.kernel.layouts.contains(.planes))
    }
  }

  /// The kernel with tiles works on a copy of the weights.
  @Test func depthwiseKernelsWithoutCopies() throws {
    let (with, without) = (Self.kernels(.avx512), Self.kernels(.avx512, allowsCopies: false))
    #expect(with.depthwise.traits.contains(.tiledDepthwise) && with.depthwiseRefusals.isEmpty)
    #expect(without.depthwise.traits.isDisjoint(with: .tiledDepthwise))
    #expect(without.depthwiseRefusals.count == 1)
  }
}
