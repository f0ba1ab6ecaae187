import CKernelABI
import SoniqCore
package import SoniqGraph

/// One packed matrix, ready to multiply: the runtime without a graph. One thread may use it at a time.
package final class MatrixMultiplier: @unchecked Sendable {
  package let matrix: PackedMatrix
  package let maximumRows: Int
  private let owner: AnyObject?
  private let runner: PlanRunner
  /// The matrix step of the plan with integer results instead of floats.
  private let integerStep: UnsafePointer<MatmulStep>
  private let memory = PlanMemory()

  private static let input: ValueID = 0
  private static let output: ValueID = 1
  /// - Parameters:
  ///   - matrix: validated here.
  ///   - owner: keeps the bytes of `matrix` alive.
  ///   - maximumRows: the most rows of one `multiply`, 1 or more.
  ///   - options: `maximums`, `workspace` and `keptValues` are not used.
  /// - Throws: `invalidGraph` when the matrix is not valid, else as `Session.init`.
  package init(
    _ matrix: PackedMatrix, owner: AnyObject?, maximumRows: Int, options: SessionOptions = SessionOptions()
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
    self.maximumRows = maximumRows
    runner = try PlanRunner(Plan(graph, options: options, areEndsExternal: true), options: options)
    integerStep = try Self.integerStep(runner.plan, memory)
  }

  /// The plan's last step, made to leave the exact sums of all levels.
  private static func integerStep(
    _ plan: Plan, _ memory: PlanMemory
  ) throws(RuntimeError) -> UnsafePointer<MatmulStep> {
    guard case .matmul(let step) = plan.steps[plan.stepCount - 1] else {
      throw RuntimeError(.invalidArgument, subject: "steps of the plan", actual: plan.stepCount, expected: 2)
    }
    var integer = step.pointee
    let levels = (0..<integer.levelCount).map { index in
      var level = integer.levels[index]
      level.arguments.mode = UInt32(index == 0 ? SNQ_INTEGER : SNQ_INTEGER_ACCUMULATE)
      return level
    }
    integer.levels = UnsafePointer(memory.store(levels))
    return UnsafePointer(memory.store(integer))
  }

  /// What multiplies: kernel, level and the refusals.
  package var kernelReport: [KernelReportEntry] { runner.kernelReport }
  /// Threads at work, the caller's included.
  package var threadCount: Int { runner.plan.lanes }
  /// Bytes of the workspace.
  package var workspaceByteCount: Int { runner.plan.layout.byteCount }

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
  /// - Throws: `invalidArgument`, `hostParallelForFailed`.
  package func multiply(
    input: UnsafePointer<Float>, inputStride: Int, rows: Int, output: UnsafeMutablePointer<Float>,
    outputStride: Int
  ) throws(RuntimeError) {
    try requireRows(rows)
    try requireStride(inputStride, atLeast: matrix.inputs, "inputStride")
    try requireStride(outputStride, atLeast: matrix.outputs, "outputStride")
    guard rows > 0 else { return }
    place(Self.input, UnsafeMutableRawPointer(mutating: input), stride: inputStride)
    place(Self.output, UnsafeMutableRawPointer(output), stride: outputStride)
    runner.sizes[0] = rows
    try runner.run()
  }

  /// The exact integer dot products of every level, summed: output[r][o] = sum of w * u.
  ///
  /// - Parameters:
  ///   - codes: [rows][inputs] activation codes in the order of the matrix's input channels.
  ///   - zeros: for affine levels, the code of the number 0 in each row, [rows][levels]; nil: 0.
  ///   - rows: 0 ... `maximumRows`.
  ///   - output: [rows][outputStride] int32.
  ///   - outputStride: elements between rows, at least `outputs`.
  /// - Throws: `invalidArgument` (also for a code or zero that its level's bits cannot hold),
  ///   `hostParallelForFailed`.
  package func multiply(
    codes: UnsafePointer<UInt8>, zeros: UnsafePointer<Int32>?, rows: Int,
    output: UnsafeMutablePointer<Int32>, outputStride: Int
  ) throws(RuntimeError) {
    try requireRows(rows)
    try requireStride(outputStride, atLeast: matrix.outputs, "outputStride")
    let step = integerStep.pointee
    let levels = matrix.levels.count
    var first = 0
    while first < rows {
      let count = min(runner.sharedRows, rows - first)
      for row in 0..<count {
        let zeros = zeros.map { $0 + (first + row) * levels }
        try sort(codes + (first + row) * matrix.inputs, zeros: zeros, row: row, step)
      }
      place(Self.output, UnsafeMutableRawPointer(output + first * outputStride), stride: outputStride)
      try runner.runPanels(of: .matmul(integerStep), rows: count)
      first += count
    }
  }

  /// Puts one row of codes where the matrix step reads it: sorted by level, padded with 0, summed.
  private func sort(
    _ codes: UnsafePointer<UInt8>, zeros: UnsafePointer<Int32>?, row: Int, _ step: MatmulStep
  ) throws(RuntimeError) {
    let window = RowWindow.all(lane: 0)
    let gather = matrix.gather?.bound(to: UInt32.self)
    let parameters = runner.storages[step.rowParameters].address(window)
      .assumingMemoryBound(to: snq_row_params.self)
    var begin = 0
    for index in 0..<matrix.levels.count {
      let level = matrix.levels[index]
      let storage = runner.storages[index == 0 ? step.codes.0 : step.codes.1]
      let target = (storage.address(window) + row * storage.rowBytes).assumingMemoryBound(to: UInt8.self)
      let activation = level.level.activation
      var sum: Int32 = 0
      for position in 0..<level.channels {
        let channel = gather.map { Int($0[begin + position]) } ?? begin + position
        let code = codes[channel]
        guard Int(code) < activation.codeCount else {
          throw RuntimeError(
            .invalidArgument, subject: "a code", actual: Int(code), expected: activation.codeCount - 1)
        }
        target[position] = code
        sum &+= Int32(code)
      }
      for position in level.channels..<level.paddedChannels { target[position] = 0 }
      let zero = activation.kind == .affine ? zeros?[index] ?? 0 : Int32(activation.codeCount - 1)
      guard zero >= 0, zero < activation.codeCount else {
        throw RuntimeError(
          .invalidArgument, subject: "a zero", actual: Int(zero), expected: activation.codeCount - 1)
      }
      parameters[row * matrix.levels.count + index] = snq_row_params(
        scale: 1, constant: zero, codeSum: sum)
      begin += level.channels
    }
  }
}
