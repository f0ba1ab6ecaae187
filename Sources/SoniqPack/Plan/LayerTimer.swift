import CPlatform
import SoniqCore
import SoniqGraph
import SoniqRuntime

/// Runs models on made-up inputs and takes the time of their layers.
struct LayerTimer {
  let threads: Int
  /// Of dynamic sizes, by name; others are what made-up samples have.
  let sizes: [String: Int]
  let progress: ProgressReport
  /// Nanoseconds that all measurements may take, about, and how many there are at least.
  private static let patience: UInt64 = 3_000_000_000
  private static let rounds = 7...41

  /// A model whose runs are timed.
  private struct Subject {
    let runner: GraphRunner
    /// Nanoseconds of each run, and of each step of each run.
    var runs: [UInt64] = []
    var steps: [[UInt64]] = []

    mutating func run() throws(PackError) {
      runner.resetProfile()
      let start = snq_clock_nanoseconds()
      try runner.run(0)
      runs.append(snq_clock_nanoseconds() &- start)
      steps.append(runner.profile.map(\.nanoseconds))
    }
  }

  private func data(_ graph: Graph) throws(PackError) -> CalibrationData {
    var random = RandomSamples(graph, count: 1, seed: 1, sizes: try symbolSizes(graph))
    return .samples(try random.arrays())
  }

  private func symbolSizes(_ graph: Graph) throws(PackError) -> [Int: Int] {
    var found: [Int: Int] = [:]
    for (name, size) in sizes.sorted(by: { $0.key < $1.key }) {
      let symbol = graph.symbols.firstIndex { $0.name == name && $0.definition == nil }
      guard let symbol,
        graph.inputs.contains(where: { graph.values[$0.value].shape.contains(.symbol(symbol)) })
      else {
        let names = dynamicSizes(graph).map(\.name).joined(separator: ", ")
        throw PackError(
          .usage, place: "--at",
          "\(name) is no dynamic size of the model's inputs"
            + (names.isEmpty ? ": it has none" : ": \(names) are"))
      }
      guard (1...graph.symbols[symbol].maximum).contains(size) else {
        throw PackError(
          .usage, place: "--at", "\(name)=\(size) is not from 1 to \(graph.symbols[symbol].maximum)")
      }
      found[symbol] = size
    }
    return found
  }

  /// The dynamic sizes of a model's inputs, as they are timed.
  func dynamicSizes(_ graph: Graph) -> [LayerTimes.Size] {
    let given = graph.symbols.indices.reduce(into: [Int: Int]()) { $0[$1] = sizes[graph.symbols[$1].name] }
    let random = RandomSamples(graph, count: 1, seed: 1, sizes: given)
    var seen: Set<Int> = []
    var result: [LayerTimes.Size] = []
    for input in graph.inputs where input.fill == nil {
      for case .symbol(let symbol) in graph.values[input.value].shape
      where graph.symbols[symbol].definition == nil && seen.insert(symbol).inserted {
        result.append(LayerTimes.Size(name: graph.symbols[symbol].name, value: random.size(ofSymbol: symbol)))
      }
    }
    return result
  }

  private func subject(
    _ model: ModelDescription, isProfiling: Bool
  ) throws(PackError) -> Subject {
    let runner = try GraphRunner(
      model, data: try data(model.graph), threadCount: threads, maximumBatch: 1, isProfiling: isProfiling,
      purpose: "measuring")
    return Subject(runner: runner)
  }

  /// The median time of a whole run, in nanoseconds.
  func whole(_ model: ModelDescription) throws(PackError) -> Double {
    var subjects = [try subject(model, isProfiling: false)]
    try measure(&subjects)
    return Self.median(subjects[0].runs)
  }

  /// The time of a run of the last model, and of the nodes of each: what runs as one step with others, or serves several,
  /// counts for all of them.
  /// * names: of the nodes that are asked for.
  func nodes(
    _ models: [ModelDescription], _ names: Set<String>
  ) throws(PackError) -> (whole: Double, nodes: [[String: Double]]) {
    var subjects: [Subject] = []
    for model in models { subjects.append(try subject(model, isProfiling: true)) }
    if let last = models.last { subjects.append(try subject(last, isProfiling: false)) }
    try measure(&subjects)
    let whole = Self.median(subjects[subjects.count - 1].runs)
    // The clocks of several threads add up.
    let steps = Self.stepTimes(subjects[subjects.count - 2]).reduce(0, +)
    let scale = threads > 1 && steps > 0 ? min(1, whole / steps) : 1
    let nodes = subjects.dropLast().map { subject in
      var times: [String: Double] = [:]
      for (entry, time) in zip(subject.runner.profile, Self.stepTimes(subject)) {
        let own = Set(Self.names(entry.name)).intersection(names)
        for name in own { times[name, default: 0] += time * scale / Double(own.count) }
      }
      return times
    }
    return (whole, nodes)
  }

  private static func stepTimes(_ subject: Subject) -> [Double] {
    (subject.steps.first ?? []).indices.map { step in median(subject.steps.map { $0[step] }) }
  }

  /// The nodes of a step: their names are joined by " + ".
  private static func names(_ joined: String) -> [String] {
    var names: [String] = []
    var rest = joined[...]
    while let range = rest.firstRange(of: " + ") {
      names.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return names + [String(rest)]
  }

  /// In turns, so that what else the machine does is shared by all.
  private func measure(_ subjects: inout [Subject]) throws(PackError) {
    for _ in 0..<2 { for index in subjects.indices { try subjects[index].run() } }
    let once = subjects.reduce(UInt64(0)) { $0 + ($1.runs.last ?? 0) }
    let affordable = Int(clamping: Self.patience / max(1, once))
    let rounds = min(max(affordable, Self.rounds.lowerBound), Self.rounds.upperBound)
    for index in subjects.indices { (subjects[index].runs, subjects[index].steps) = ([], []) }
    for round in 0..<rounds {
      for index in subjects.indices { try subjects[index].run() }
      progress.step("measuring times", round + 1, rounds)
    }
  }

  private static func median(_ samples: [UInt64]) -> Double {
    samples.isEmpty ? 0 : Double(samples.sorted()[samples.count / 2])
  }
}
