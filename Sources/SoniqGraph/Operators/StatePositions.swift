/// Any int32 [B,S] (for its shape) -> int32 [B,S]: the length of a growing state before the run, plus s, at [b,s].
package struct StatePositions: Operator {
  package static let schema = OperatorSchema("statePositions", tag: 18, since: 3)
  package var state: StateID = 0

  package init() {}
  package init(state: StateID) { self.state = state }
  package var operation: Operation { .statePositions(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.word("state", &state, in: 0...maximumStates - 1)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(1...1)
    try node.require(0, is: .int32, rank: 2)
    guard node.graph.states.indices.contains(state) else { throw node.fault(.indexOutOfRange, "state") }
    guard node.graph.states[state].isGrowing else { throw node.fault(.wrongKind, "state") }
    return InferredOutput(elementType: .int32, shape: node.shape(0))
  }
}
