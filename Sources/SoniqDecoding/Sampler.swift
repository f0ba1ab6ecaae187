package import SoniqMemory

/// Chooses tokens by their logits: the same ones on every machine. One thread at a time.
package final class Sampler {
  package static let maximumVocabulary = 1 << 24

  private let options: SamplerOptions
  package let vocabulary: Int
  private let memory: SamplerMemory
  /// By token; of those that were drawn from, their weights.
  private let scores: UnsafeMutablePointer<Double>
  /// Tokens that may be chosen.
  private let candidates: UnsafeMutablePointer<Int32>
  private let biases: UnsafeMutableBufferPointer<TokenBias>
  /// Where there are penalties.
  private var recent: RecentTokens?
  private var drawCount: UInt64 = 0

  /// Takes all of its memory.
  ///
  /// - Throws: `vocabularyOutOfRange`, `invalidOption`, `outOfMemory`, `misaligned`.
  package init(
    vocabulary: Int, options: SamplerOptions, allocator: AllocatorHooks? = nil
  ) throws(SamplerError) {
    guard (1...Self.maximumVocabulary).contains(vocabulary) else {
      throw .vocabularyOutOfRange(vocabulary)
    }
    try options.check(vocabulary: vocabulary)
    self.options = options
    self.vocabulary = vocabulary
    let window = options.hasPenalties ? options.penaltyWindow : 0
    let countedTokens = options.hasPenalties ? vocabulary : 0
    let memory = try SamplerMemory(
      byteCount: 8 * (vocabulary + options.biases.count) + 4 * (vocabulary + window + countedTokens),
      allocator: allocator)
    scores = memory.take(vocabulary, Double.self)
    let biases = memory.take(options.biases.count, TokenBias.self)
    for (index, entry) in options.biases.enumerated() { biases[index] = entry }
    self.biases = UnsafeMutableBufferPointer(start: biases, count: options.biases.count)
    candidates = memory.take(vocabulary, Int32.self)
    if options.hasPenalties {
      let ring = memory.take(window, Int32.self)
      let counts = memory.take(vocabulary, Int32.self)
      counts.update(repeating: 0, count: vocabulary)
      recent = RecentTokens(ring: ring, capacity: window, counts: counts)
    }
    self.memory = memory
  }

  /// Chooses a token and remembers it. Allocates nothing. After a failure the sampler is as before.
  ///
  /// - Parameters:
  ///   - logits: one for each token, finite.
  ///   - allowed: bit t % 32 of word t / 32 says whether token t may be chosen; nil: all may.
  /// - Returns: the token.
  /// - Throws: `wrongCount`, `notFinite`, `nothingAllowed`.
  package func sample(
    _ logits: UnsafeBufferPointer<Float>, allowed: UnsafePointer<UInt32>?
  ) throws(SamplerError) -> Int32 {
    guard logits.count == vocabulary else {
      throw .wrongCount(actual: logits.count, expected: vocabulary)
    }
    try score(logits)
    let count = gather(allowed)
    guard count > 0 else { throw .nothingAllowed }
    let token = options.temperature == 0 ? best(count) : draw(select(count))
    recent?.append(token)
    return token
  }

  /// How likely a token is by the logits as they are.
  ///
  /// - Parameters:
  ///   - token: that `sample` has chosen.
  ///   - logits: of which it has.
  /// - Returns: the natural logarithm of the probability.
  package func logProbability(of token: Int32, _ logits: UnsafeBufferPointer<Float>) -> Float {
    var greatest = logits[0]
    for logit in logits where logit > greatest { greatest = logit }
    var sum = 0.0
    for logit in logits { sum += exponential(Double(logit) - Double(greatest)) }
    return Float(Double(logits[Int(token)]) - Double(greatest) - logarithm(sum))
  }

  /// Remembers tokens that others have chosen, as a prompt's.
  ///
  /// - Throws: `unknownToken`; then none of them is remembered.
  package func accept(_ tokens: UnsafeBufferPointer<Int32>) throws(SamplerError) {
    for (position, token) in tokens.enumerated() where token < 0 || Int(token) >= vocabulary {
      throw .unknownToken(token, position: position)
    }
    for token in tokens { recent?.append(token) }
  }

  /// Forgets all tokens and begins the random numbers again.
  package func reset() {
    recent?.removeAll()
    drawCount = 0
  }

  // MARK: Steps of a choice

  private func score(_ logits: UnsafeBufferPointer<Float>) throws(SamplerError) {
    for token in 0..<vocabulary {
      guard logits[token].isFinite else { throw .notFinite(token: token) }
      scores[token] = Double(logits[token])
    }
    for entry in biases { scores[Int(entry.token)] += Double(entry.bias) }
    guard let counts = recent?.counts else { return }
    let factor = Double(options.repetitionPenalty)
    for token in 0..<vocabulary where counts[token] > 0 {
      let score = scores[token] > 0 ? scores[token] / factor : scores[token] * factor
      scores[token] =
        score - Double(counts[token]) * Double(options.frequencyPenalty) - Double(options.presencePenalty)
    }
  }

  /// Makes the allowed tokens the candidates, in ascending order.
  ///
  /// - Returns: how many there are.
  private func gather(_ allowed: UnsafePointer<UInt32>?) -> Int {
    var count = 0
    for token in 0..<vocabulary {
      if let allowed, allowed[token >> 5] >> UInt32(token & 31) & 1 == 0 { continue }
      candidates[count] = Int32(truncatingIfNeeded: token)
      count += 1
    }
    return count
  }

  private func best(_ count: Int) -> Int32 {
    var best = candidates[0]
    for place in 1..<max(1, count) where scores[Int(candidates[place])] > scores[Int(best)] {
      best = candidates[place]
    }
    return best
  }

  /// Brings the candidates that top_k, top_p and min_p leave to the front: where one of the first two is set, the
  /// best first, else in ascending order.
  ///
  /// - Returns: how many they are, and the greatest score.
  private func select(_ count: Int) -> (count: Int, greatest: Double) {
    let greatest = scores[Int(best(count))]
    let limit = options.topK == 0 ? count : min(options.topK, count)
    if limit < count || options.topP < 1 { return (selectSorted(count, limit, greatest), greatest) }
    guard options.minP > 0 else { return (count, greatest) }
    var kept = 0
    for place in 0..<count
    where exponential(scores[Int(candidates[place])] - greatest) >= Double(options.minP) {
      candidates[kept] = candidates[place]
      kept += 1
    }
    return (kept, greatest)
  }

  private func selectSorted(_ count: Int, _ limit: Int, _ greatest: Double) -> Int {
    var total = 0.0
    if options.topP < 1 && limit == count {
      for place in 0..<count { total += exponential(scores[Int(candidates[place])] - greatest) }
    }
    var heap = CandidateHeap(candidates, scores: scores, count: count)
    if options.topP < 1 && limit < count {
      for _ in 0..<limit { total += exponential(scores[Int(heap.takeBest())] - greatest) }
    }
    var kept = 0
    var sum = 0.0
    while kept < limit {
      // Where the limit was taken above, they lie behind the heap.
      let token = count - kept > heap.count ? candidates[count - 1 - kept] : heap.takeBest()
      let weight = exponential(scores[Int(token)] - greatest)
      guard kept == 0 || weight >= Double(options.minP) else { break }
      kept += 1
      sum += weight
      if options.topP < 1 && sum >= Double(options.topP) * total { break }
    }
    for place in 0..<min(kept, count / 2) {
      (candidates[place], candidates[count - 1 - place]) = (candidates[count - 1 - place], candidates[place])
    }
    return kept
  }

  private func draw(_ selection: (count: Int, greatest: Double)) -> Int32 {
    let temperature = Double(options.temperature)
    var total = 0.0
    for place in 0..<selection.count {
      let token = Int(candidates[place])
      scores[token] = exponential((scores[token] - selection.greatest) / temperature)
      total += scores[token]
    }
    let target = RandomDraws(seed: options.seed)[drawCount] * total
    drawCount &+= 1
    var sum = 0.0
    var last = candidates[0]
    for place in 0..<selection.count where scores[Int(candidates[place])] > 0 {
      last = candidates[place]
      sum += scores[Int(last)]
      if sum > target { return last }
    }
    // The product may have been rounded up to the total.
    return last
  }
}
