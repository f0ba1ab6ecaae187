extension KernelProfile {
  /// The JSON text that `init(parsing:)` reads; entries sorted, one a line.
  package var text: String {
    let sizes = sizes.map { "[\($0.channels), \($0.outputs)]" }.joined(separator: ", ")
    let keys = costs.keys.sorted {
      ($0.kernel, $0.weightBits, $0.activationBits) < ($1.kernel, $1.weightBits, $1.activationBits)
    }
    let entries = keys.map { key in
      let costs = (costs[key] ?? []).map(String.init).joined(separator: ",")
      return """
        {"kernel": "\(key.kernel)", "weightBits": \(key.weightBits), \
        "activationBits": \(key.activationBits), "picoseconds": [\(costs)]}
        """
    }
    return """
      {"version": \(Self.version), "machine": "\(machine)",
      "sizes": [\(sizes)],
      "costs": [
      \(entries.joined(separator: ",\n"))
      ]}

      """
  }
}
