/// Rewrites a draft into an equal one.
protocol DraftPass: Sendable {
  static func run(_ draft: inout DraftGraph) throws(PackError)
}

/// What happens to a draft of any importer before it is a graph, in this order.
enum OnnxPasses {
  static let all: [any DraftPass.Type] = [
    // Codes before their marks come between the parts of patterns.
    CodeAdoption.self,
    ZeroStates.self,
    // Functions next: their arithmetic has constants that layers would take.
    ActivationRecognition.self, NormRecognition.self,
    // Biases into their layers, transposes into one: what attention is recognised by.
    AffineFolding.self, MergedTranspose.self, TransposeSinking.self, SliceOfSplit.self,
    AttentionRecognition.self,
    PositionEmbedding.self, PoolingRecognition.self,
    // Batch norms, behind which channels are last now.
    AffineFolding.self,
    // Last: what is narrow is no pattern of the others.
    TransposeRaising.self, CastMerging.self, Squares.self,
  ]

  static func run(_ draft: inout DraftGraph, _ progress: ProgressReport) throws(PackError) {
    for (index, pass) in all.enumerated() {
      try pass.run(&draft)
      draft.removeUnused()
      progress.step("importing", index + 1, all.count)
    }
    try draft.computeSizes()
  }
}
