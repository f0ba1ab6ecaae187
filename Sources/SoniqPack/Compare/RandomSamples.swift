import Glibc
import SoniqCore
package import SoniqGraph

/// Made-up samples of a model's inputs, the same for the same seed.
///
/// Real numbers are normally distributed, of mean 0 and deviation 1; indices of tables and axes are any that these have;
/// other whole numbers of 32 bits are 0 or 1, and bytes are any.
package struct RandomSamples {
  private let graph: Graph
  private let count: Int
  private var state: UInt64
  /// By symbol.
  private let sizes: [Int]

  /// What a dynamic size that does not count samples is, where the model allows that many.
  private static let dynamicSize = 64
  private static let mostElements = 1 << 28

  /// * count: runs, each of one sample unless the model fixes another number.
  /// * sizes: of dynamic sizes, by symbol, in place of the usual ones.
  package init(_ graph: Graph, count: Int, seed: UInt64, sizes given: [Int: Int] = [:]) {
    self.graph = graph
    self.count = count
    state = seed
    var isInner = [Bool](repeating: false, count: graph.symbols.count)
    for input in graph.inputs {
      for case .symbol(let symbol) in graph.values[input.value].shape.dropFirst() { isInner[symbol] = true }
    }
    sizes = graph.symbols.indices.map { symbol in
      given[symbol] ?? (isInner[symbol] ? min(graph.symbols[symbol].maximum, Self.dynamicSize) : 1)
    }
  }

  package func size(ofSymbol symbol: Int) -> Int { sizes[symbol] }

  /// - Throws: `data` for a model that takes no inputs, or very large ones.
  package mutating func arrays() throws(PackError) -> SampleArrays {
    var arrays: [InputArray] = []
    for input in graph.inputs where input.fill == nil {
      let value = graph.values[input.value]
      let shape =
        [count] + value.shape.map { if case .symbol(let symbol) = $0 { sizes[symbol] } else { $0.fixedSize } }
      guard let elements = Self.product(shape), elements <= Self.mostElements else {
        throw PackError(
          .data, place: "input \(value.name)", "\(shape) numbers are too many to make up; give --inputs")
      }
      arrays.append(array(input.value, shape, elements))
    }
    let samples = SampleArrays(
      arrays: arrays, source: "random numbers", fixedLengths: arrays.map { _ in nil }, areWholeRuns: true)
    guard !arrays.isEmpty, let samples else {
      throw PackError(.data, place: "inputs", "the model takes none that numbers could be made up for")
    }
    return samples
  }

  private static func product(_ shape: [Int]) -> Int? {
    shape.reduce(1) { (product: Int?, size) in product.flatMap { checkedProduct($0, size) } }
  }

  private mutating func array(_ input: ValueID, _ shape: [Int], _ count: Int) -> InputArray {
    let value = graph.values[input]
    switch value.elementType {
    case .float32:
      return InputArray(name: value.name, floats: (0..<count).map { _ in normal() }, shape: shape)
    case .float16:
      return InputArray(
        name: value.name, .float16, (0..<count).map { _ in Binary16.bits(normal()) }, shape: shape)
    case .int32:
      let bound = UInt64(max(1, indexBound(input) ?? 2))
      return InputArray(
        name: value.name, integers: (0..<count).map { _ in Int32(next() % bound) }, shape: shape)
    case .int8, .uint8:
      return InputArray(
        name: value.name, value.elementType, (0..<count).map { _ in UInt8(next() >> 56) }, shape: shape)
    }
  }

  /// The rows of the smallest table, or the least size of an axis, that the input looks up in; nil when it does not.
  private func indexBound(_ input: ValueID) -> Int? {
    var same: Set<ValueID> = [input]
    var least: Int?
    for node in graph.nodes {
      guard let first = node.inputs.first else { continue }
      var bound: Int?
      switch node.operation {
      case .cast, .reshape, .transpose, .expand, .slice:
        if same.contains(first) { same.formUnion(node.outputs) }
      case .embedding(let embedding) where same.contains(first):
        switch graph.constants[embedding.table] {
        case .dense(let dense): bound = dense.shape.first
        case .table(let table): bound = table.rows
        default: continue
        }
      case .gather(let gather) where node.inputs.count > 1 && same.contains(node.inputs[1]):
        let shape = graph.values[first].shape
        guard shape.indices.contains(gather.axis) else { continue }
        if case .symbol(let symbol) = shape[gather.axis] {
          bound = graph.symbols[symbol].definition == nil ? sizes[symbol] : 1
        } else {
          bound = shape[gather.axis].fixedSize
        }
      default: continue
      }
      if let bound { least = min(least ?? bound, bound) }
    }
    return least
  }

  /// SplitMix64, by its published constants.
  private mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  private mutating func normal() -> Float {
    let first = (Double(next() >> 11) + 1) / 0x1p53
    let second = Double(next() >> 11) / 0x1p53
    return Float((-2 * log(first)).squareRoot() * cos(2 * .pi * second))
  }
}
