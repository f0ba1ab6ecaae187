/// x -> dimension i of the output is dimension permutation[i] of x.
package struct Transpose: Operator {
  package static let schema = OperatorSchema(tensor: "transpose", tag: 6)
  package var permutation: [Int] = []

  package init() {}
  package init(_ permutation: [Int]) { self.permutation = permutation }
  package var operation: Operation { .transpose(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    var rank = permutation.count
    try coder.rank(&rank)
    try coder.reserved(2)
    try coder.words("permutation", &permutation, count: rank, of: "rank", in: 0...maximumRank - 1)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let shape = try node.one(nil)
    guard permutation.count == shape.count, Set(permutation) == Set(shape.indices) else {
      throw node.fault(.notAPermutation, "permutation")
    }
    return node.same(permutation.map { shape[$0] })
  }
}

extension Operation {
  package static func transpose(_ permutation: [Int]) -> Operation {
    .transpose(Transpose(permutation))
  }
}
