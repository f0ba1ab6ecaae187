import SoniqGraph

/// What makes a model a decoder: ids of tokens in, logits of chosen positions out, and states that all grow with them.
package struct DecoderForm: Sendable {
  /// Indices of inputs and the output.
  let ids: Int
  let positions: Int
  let logits: Int
  package let vocabulary: Int
  /// Ids are below.
  let idCount: Int
  /// Dynamic sizes: tokens of a run, rows of logits, positions of a sequence, and entries of a batch, where that is not
  /// fixed.
  let tokens: Symbol
  let rows: Symbol
  let capacity: Symbol
  let batch: Symbol?
  /// Tokens of several texts may be rows of one run.
  let joinsTexts: Bool

  /// - Throws: `notADecoder`.
  package init(_ model: Model) throws(RuntimeError) {
    let graph = model.description.graph
    func symbol(_ dimension: Dimension?, _ reason: String) throws(RuntimeError) -> Symbol {
      guard case .symbol(let index)? = dimension, graph.symbols[index].definition == nil else {
        throw Self.refusal(reason)
      }
      return graph.symbols[index]
    }
    let required = model.inputs.indices.filter { !model.inputs[$0].isOptional }
    guard required.count == 1, let ids = required.first, model.inputs[ids].elementType == .int32,
      model.inputs[ids].shape.count == 2
    else { throw Self.refusal("its inputs are not ids of tokens alone") }
    guard
      let positions = model.inputs.firstIndex(where: { $0.name == "logit_positions" && $0.shape.count == 1 })
    else { throw Self.refusal("it has no input logit_positions") }
    guard
      let logits = model.outputs.firstIndex(where: { $0.name == "logits" && $0.shape.count == 3 }),
      model.outputs[logits].elementType == .float32,
      model.outputs[logits].shape[1] == model.inputs[positions].shape[0],
      case .fixed(let vocabulary) = model.outputs[logits].shape[2]
    else { throw Self.refusal("it has no output logits of these positions") }
    guard let state = graph.states.first, graph.states.allSatisfy({ $0.isGrowing }) else {
      throw Self.refusal("it has no states, or some that do not grow")
    }
    guard graph.states.allSatisfy({ $0.shape[..<2] == state.shape[..<2] }),
      state.shape[0] == model.inputs[ids].shape[0]
    else { throw Self.refusal("its states grow in different ways") }
    (self.ids, self.positions, self.logits, self.vocabulary) = (ids, positions, logits, vocabulary)
    idCount = InputBindings.idCount(graph, input: ids) ?? Int(Int32.max)
    tokens = try symbol(model.inputs[ids].shape[1], "it takes one number of tokens only")
    rows = try symbol(model.inputs[positions].shape[0], "it gives one number of logits only")
    capacity = try symbol(state.shape[1], "its states have one size only")
    switch state.shape[0] {
    case .fixed(1): batch = nil
    case let dimension: batch = try symbol(dimension, "it takes several sequences only")
    }
    let shapes = (model.inputs[ids].shape, model.outputs[logits].shape)
    joinsTexts =
      RowIndependence(
        graph: graph, tokens: shapes.0, chosen: Array(shapes.1[..<2]), choice: graph.inputs[positions].value
      ).holds
  }

  private static func refusal(_ reason: String) -> RuntimeError {
    RuntimeError(.notADecoder, subject: reason)
  }

  /// Limits for one sequence.
  func maximums(capacity: Int) -> [SymbolMaximum] {
    var maximums = [SymbolMaximum(name: self.capacity.name, maximum: capacity)]
    if let batch { maximums.append(SymbolMaximum(name: batch.name, maximum: 1)) }
    return maximums
  }

  /// The positions that are meant; 0: all that the model allows.
  ///
  /// - Throws: `invalidOption`.
  package func capacity(_ wanted: Int) throws(RuntimeError) -> Int {
    guard wanted <= capacity.maximum else {
      throw RuntimeError(.invalidOption, subject: "capacity", actual: wanted, expected: capacity.maximum)
    }
    return wanted == 0 ? capacity.maximum : wanted
  }
}
