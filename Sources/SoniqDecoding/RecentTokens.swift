/// The last tokens, and how often each is among them.
struct RecentTokens {
  private let ring: UnsafeMutablePointer<Int32>
  private let capacity: Int
  /// By token.
  let counts: UnsafeMutablePointer<Int32>
  private var next = 0
  private var held = 0

  /// - Parameters:
  ///   - ring: room for `capacity` tokens.
  ///   - capacity: above 0.
  ///   - counts: by token, 0.
  init(ring: UnsafeMutablePointer<Int32>, capacity: Int, counts: UnsafeMutablePointer<Int32>) {
    self.ring = ring
    self.capacity = capacity
    self.counts = counts
  }

  /// The oldest token makes room where there is none.
  mutating func append(_ token: Int32) {
    if held == capacity { counts[Int(ring[next])] -= 1 } else { held += 1 }
    ring[next] = token
    counts[Int(token)] += 1
    next = next + 1 == capacity ? 0 : next + 1
  }

  mutating func removeAll() {
    // While it is not full, it begins at its first place.
    for place in 0..<held { counts[Int(ring[place])] = 0 }
    next = 0
    held = 0
  }
}
