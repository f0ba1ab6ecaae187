import CKernelABI
import SoniqCore
package import SoniqGraph
import SoniqKernels
package import SoniqMemory

/// One packed matrix, ready to multiply: the runtime without a graph. One thread may use it at a time.
package final class MatrixMultiplier: @unchecked Sendable {
  package let matrix: PackedMatrix
  package let maximumRows: Int
  private let owner: AnyObject?
  private let weights: PreparedWeights
  private let runner: PlanRunner
  /// The two steps of the plan from codes to integers; nil for symmetric activations.
  private let integers: IntegerSteps?
  private let memory: PlanMemory

  private static let input: ValueID = 0
  private static let output: ValueID = 1
  /// - Parameters:
  ///   - matrix: validated here.
  ///   - owner: keeps the bytes of `matrix` alive.
  ///   - weights: what kernels read in place of the matrix's own weights, for all multipliers of a matrix.
  ///   - maximumRows: the most rows of one `multiply`, 1 or more.
  ///   - options: `maximums`, `workspace` and `keptValues` are not used.
  /// - Throws: `invalidGraph` when the matrix is not valid, else as `Session.init`.
  package init(
    _ matrix: PackedMatrix, owner: AnyObject?, weights: PreparedWeights, maximumRows: Int,
    options: SessionOptions = SessionOptions()
  ) throws(RuntimeError) {
    guard (1...maximumDimension).contains(maximumRows) else {
      throw RuntimeError(.invalidOption, subject: "maximumRows", actual: maximumRows)
    }
    let graph = Self.graph(matrix, maximumRows: maximumRows)
    do throws(GraphError) {
      try graph.validate()
    } catch {
      throw RuntimeError(.invalidGraph, graphError: error)
    }
    var options = options
    options.maximums = []
    options.workspace = nil
    options.keptValues = []
    self.matrix = matrix
    self.owner = owner
    self.weights = weights
    self.maximumRows = maximumRows
    let arena = try MemoryArena(for: options)
    memory = PlanMemory(arena)
    let outline = try PlanOutline(
      graph, options: options, allowsCopies: weights.allowsCopies, profile: weights.kernelProfile,
      areEndsExternal: true)
    runner = try PlanRunner(
      Plan(outline, weights: weights, arena: arena), options: options, arena: arena)
    integers = matrix.isSymmetric ? nil : try Self.integerSteps(matrix, runner.plan, memory)
  }

  /// Where codes are taken from is set before each run.
  private struct IntegerSteps {
    let steps: UnsafePointer<Step>
    let takeCodes: UnsafeMutablePointer<TakeCodesStep>
  }

  private static func integerSteps(
    _ matrix: PackedMatrix, _ plan: Plan, _ memory: PlanMemory
  ) throws(RuntimeError) -> IntegerSteps {
    guard plan.outline.schedule.steps.count == 2, plan.outline.schedule.steps[0].work is QuantizeWork,
      plan.outline.schedule.steps[1].work is MatmulWork
    else {
      throw RuntimeError(.invalidArgument, subject: "steps of the plan", actual: plan.stepCount)
    }
    let quantize = plan.steps[0].context.assumingMemoryBound(to: QuantizeStep.self)
    let step = plan.steps[1].context.assumingMemoryBound(to: MatmulStep.self)
    let takeCodes = try memory.store(takeCodes(quantize.pointee, plan.outline.kernels))
    takeCodes.pointee.arguments.secondLevel = try secondLevel(matrix, memory)
    let integers = try memory.store(try integerStep(step.pointee, memory))
    let steps = try memory.store([Step(UnsafePointer(takeCodes)), Step(UnsafePointer(integers))])
    return IntegerSteps(steps: UnsafePointer(steps), takeCodes: takeCodes)
  }

  /// The host's codes in place of the quantiser's.
  private static func takeCodes(_ quantize: QuantizeStep, _ kernels: StepKernels) -> TakeCodesStep {
    var arguments = snq_take_codes_args()
    arguments.codeStride = Int(quantize.arguments.channels)
    arguments.channels = quantize.arguments.channels
    arguments.gather = quantize.arguments.gather
    arguments.levelCount = quantize.arguments.levelCount
    arguments.levels = quantize.arguments.levels
    return TakeCodesStep(
      function: kernels.takeCodes.function, arguments: arguments, target: quantize.target)
  }

  /// Which channels are of the second level, when the order of the channels within each level is kept.
  private static func secondLevel(
    _ matrix: PackedMatrix, _ memory: PlanMemory
  ) throws(RuntimeError) -> UnsafePointer<UInt64>? {
    guard matrix.levels.count == 2, let gather = matrix.gather?.bound(to: UInt32.self) else { return nil }
    let first = matrix.levels[0].channels
    let words = try memory.store(repeating: UInt64(0), count: (matrix.inputs + 63) / 64)
    for position in 0..<matrix.inputs {
      if position > 0, position != first, gather[position] < gather[position - 1] { return nil }
      if position >= first { words[Int(gather[position]) / 64] |= 1 << UInt64(gather[position] % 64) }
    }
    return UnsafePointer(words)
  }

  /// The matrix step made to leave the exact sums of all levels.
  private static func integerStep(
    _ step: MatmulStep, _ memory: PlanMemory
  ) throws(RuntimeError) -> MatmulStep {
    var integer = step
    let levels = (0..<integer.levelCount).map { index in
      var level = integer.levels[index]
      level.arguments.mode = UInt32(index == 0 ? SNQ_INTEGER : SNQ_INTEGER_ACCUMULATE)
      return level
    }
    integer.levels = UnsafePointer(try memory.store(levels))
    return integer
  }

  /// What multiplies: kernel, level and the refusals.
  package var kernelReport: [KernelReportEntry] { runner.kernelReport }
  /// Threads at work, the caller's included.
  package var threadCount: Int { runner.plan.outline.lanes }
  /// Bytes of the workspace.
  package var workspaceByteCount: Int { runner.plan.outline.layout.byteCount }

  private func requireAtLeast(_ expected: Int, _ actual: Int, _ subject: String) throws(RuntimeError) {
    guard actual >= expected else {
      throw RuntimeError(.invalidArgument, subject: subject, actual: actual, expected: expected)
    }
  }

  private func requireRows(_ rows: Int) throws(RuntimeError) {
    guard (0...maximumRows).contains(rows) else {
      throw RuntimeError(.invalidArgument, subject: "rows", actual: rows, expected: maximumRows)
    }
  }

  /// Strides in bytes must stay within the address space for all rows.
  private func requireStride(_ stride: Int, atLeast width: Int, _ subject: String) throws(RuntimeError) {
    try requireAtLeast(width, stride, subject)
    guard checkedProduct(stride, 4, maximumRows) != nil else {
      throw RuntimeError(.invalidArgument, subject: subject, actual: stride, expected: width)
    }
  }

  private func place(_ value: ValueID, _ start: UnsafeMutableRawPointer, stride: Int) {
    runner.storages[value].base = start
    runner.storages[value].rowBytes = stride * 4
  }

  /// x [rows, inputs] -> y [rows, outputs].
  private static func graph(_ matrix: PackedMatrix, maximumRows: Int) -> Graph {
    var graph = Graph()
    graph.symbols = [Symbol(name: "rows", maximum: maximumRows)]
    graph.values = [
      Value(name: "input", elementType: .float32, shape: [.symbol(0), .fixed(matrix.inputs)]),
      Value(name: "output", elementType: .float32, shape: [.symbol(0), .fixed(matrix.outputs)]),
    ]
    graph.constants = [.matrix(matrix)]
    graph.constantNames = ["matrix"]
    graph.nodes = [Node(name: "multiply", operation: .linear(matrix: 0), inputs: [input], output: output)]
    graph.inputs = [GraphInput(value: input)]
    graph.outputs = [output]
    return graph
  }

  /// output[r][o] = sum over k of weight[o][k] * input[r][k] + bias[o], activations quantised by level.
  ///
  /// - Parameters:
  ///   - input: [rows][inputStride] float32, the first `inputs` of each row are read.
  ///   - inputStride: floats between rows, at least `inputs`.
  ///   - rows: 0 ... `maximumRows`.
  ///   - output: [rows][outputStride] float32, the first `outputs` of each row are written.
  ///   - outputStride: floats between rows, at least `outputs`.
  ///   - host: as in `Session.run`.
  /// - Throws: `invalidArgument`, `hostParallelForFailed`.
  package func multiply(
    input: UnsafePointer<Float>, inputStride: Int, rows: Int, output: UnsafeMutablePointer<Float>,
    outputStride: Int, _ host: HostFloatState? = nil
  ) throws(RuntimeError) {
    try requireRows(rows)
    try requireStride(inputStride, atLeast: matrix.inputs, "inputStride")
    try requireStride(outputStride, atLeast: matrix.outputs, "outputStride")
    guard rows > 0 else { return }
    place(Self.input, UnsafeMutableRawPointer(mutating: input), stride: inputStride)
    place(Self.output, UnsafeMutableRawPointer(output), stride: outputStride)
    runner.sizes[0] = rows
    try runner.run(host)
  }

  /// The exact integer dot products of every level, summed: output[r][o] = sum of w * u.
  ///
  /// - Parameters:
  ///   - codes: [rows][inputs] activation codes in the order of the matrix's input channels, each within the
  ///     bits of its level: the caller has checked that.
  ///   - zeros: for affine levels, the code of the number 0 in each row, [rows][levels], checked too; nil: 0.
  ///   - rows: 0 ... `maximumRows`.
  ///   - output: [rows][outputStride] int32.
  ///   - outputStride: elements between rows, at least `outputs`.
  ///   - host: as in `Session.run`.
  /// - Throws: `invalidArgument`, `hostParallelForFailed`.
  package func multiply(
    codes: UnsafePointer<UInt8>, zeros: UnsafePointer<Int32>?, rows: Int,
    output: UnsafeMutablePointer<Int32>, outputStride: Int, _ host: HostFloatState? = nil
  ) throws(RuntimeError) {
    try requireRows(rows)
    try requireStride(outputStride, atLeast: matrix.outputs, "outputStride")
    guard let integers else {
      throw RuntimeError(.invalidArgument, subject: "codes of symmetric activations")
    }
    guard rows > 0 else { return }
    integers.takeCodes.pointee.arguments.codes = codes
    integers.takeCodes.pointee.arguments.zeros = zeros
    place(Self.output, UnsafeMutableRawPointer(output), stride: outputStride)
    runner.sizes[0] = rows
    try runner.run(integers.steps, host)
  }
}
