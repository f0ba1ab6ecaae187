import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Functions of rows and a constant row, against the same function of two values of any shape.
@Suite struct RowConstantTests {
  private static let functions: [BinaryFunction] = [
    .add, .subtract, .multiply, .divide, .minimum, .maximum, .power, .prelu,
  ]

  /// x [rows, channels] and the constant, which is given by the host or belongs to the model.
  private static func graph(
    _ function: BinaryFunction, _ x: TensorArray, _ constant: TensorArray, isFirst: Bool, isConstant: Bool,
    isDynamic: Bool, _ owners: inout [AnyObject]
  ) -> Graph {
    var graph = Graph()
    var shape = x.shape.map(Dimension.fixed)
    if isDynamic {
      graph.symbols = [Symbol(name: "rows", maximum: 300)]
      shape[0] = .symbol(0)
    }
    graph.values = [Value(name: "x", elementType: .float32, shape: shape)]
    graph.inputs = [GraphInput(value: 0)]
    var other = 1
    if isConstant {
      let buffer = AlignedBuffer(copying: constant.bytes)
      owners.append(buffer)
      graph.constants = [
        .dense(DenseConstant(elementType: .float32, shape: constant.shape, bytes: ConstantBytes(buffer)))
      ]
      graph.constantNames = ["constant"]
      other = graph.add(.constant(0), [])
    } else {
      graph.values.append(
        Value(name: "c", elementType: .float32, shape: constant.shape.map(Dimension.fixed)))
      graph.inputs.append(GraphInput(value: 1))
    }
    graph.outputs = [graph.add(.binary(function), isFirst ? [other, 0] : [0, other])]
    return graph
  }

  @Test(arguments: functions)
  func rowsAndNumbers(function: BinaryFunction) throws {
    let seed: UInt64 = 4400
    var generator = SeededGenerator(seed: seed)
    for channels in [1, 3, 7, 16, 63, 64, 130] {
      for shape in [[channels], [1, channels], [1], [1, 1]] {
        let x = TensorArray.random([67, channels], 0.25...3, using: &generator)
        let constant = TensorArray.random(shape, 0.25...3, using: &generator)
        for isFirst in [false, true] {
          var owners: [AnyObject] = []
          let plain = Self.graph(
            function, x, constant, isFirst: isFirst, isConstant: false, isDynamic: false, &owners)
          let expected = try plain.run([x, constant], lanes: 1).bits
          for lanes in 1...3 {
            let rows = Self.graph(
              function, x, constant, isFirst: isFirst, isConstant: true, isDynamic: lanes == 2, &owners)
            if lanes == 1 {
              let schedule = ScheduleTests.schedule(rows)
              #expect(schedule.steps.map { $0.work is RowConstantWork } == [true])
            }
            let actual = try rows.run([x], lanes: lanes, owners: owners).bits
            #expect(
              actual == expected,
              "\(function) of \(channels) and \(shape), \(isFirst), \(lanes) lanes, seed \(seed)")
          }
        }
      }
    }
  }

  /// Comparisons give int32, and a constant that is no row has other shapes to meet.
  @Test func othersAreNoRows() throws {
    for (function, shape) in [
      (BinaryFunction.less, [4]), (.add, [3, 1]), (.add, [3, 4]), (.add, [2, 3, 4]),
    ] {
      var owners: [AnyObject] = []
      let x = TensorArray([3, 4]) { Double($0[0] * 4 + $0[1]) }
      let constant = TensorArray(shape) { Double($0.reduce(0, +)) }
      let graph = Self.graph(
        function, x, constant, isFirst: false, isConstant: true, isDynamic: false, &owners)
      #expect(!ScheduleTests.schedule(graph).steps.contains { $0.work is RowConstantWork })
      let given = Self.graph(
        function, x, constant, isFirst: false, isConstant: false, isDynamic: false, &owners)
      #expect(
        try graph.run([x], lanes: 2, owners: owners).bits == given.run([x, constant], lanes: 2).bits)
    }
  }
}
