/// Copies runs of floats into scratch memory padded with zeros to a multiple of 8, for the SIMD loops.
struct PaddedRow {
  private var storage: [Float]
  let count: Int

  init(capacity: Int) {
    count = (capacity + 7) / 8 * 8
    storage = [Float](repeating: 0, count: count)
  }

  /// Copies `run`, at most the capacity; the padding stays 0.
  mutating func load(_ run: UnsafeBufferPointer<Float>) {
    let copied = min(run.count, count)
    for index in 0..<copied { storage[index] = run[index] }
    for index in copied..<count { storage[index] = 0 }
  }

  mutating func fill(_ value: Float, count filled: Int) {
    for index in 0..<count { storage[index] = index < filled ? value : 0 }
  }

  func withPointer<Result>(_ body: (UnsafePointer<Float>) -> Result) -> Result? {
    storage.withUnsafeBufferPointer { buffer in buffer.baseAddress.map(body) }
  }
}
