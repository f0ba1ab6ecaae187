/// Rewrites a draft into an equal one.
protocol DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError)
}

/// What happens to a draft between conversion and graph, in this order.
enum OnnxPasses {
  static let all: [any DraftPass.Type] = [
    AffineFolding.self, TransposeSinking.self, AffineFolding.self,
  ]
}
