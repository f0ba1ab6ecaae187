import Glibc
import SoniqGraph

/// What is added to scores by the distance of key and query.
extension EncoderGraph {
  /// A number for each head and bucket: half of the buckets for keys behind the query; of each half, one half counts
  /// and the other grows with the logarithm.
  mutating func bucketBias(
    _ table: String, _ countField: String, _ farthestField: String?
  ) throws(PackError) -> ValueID {
    let count = try folder.size(countField, in: 4...65536, default: 32)
    let farthest = try folder.size(farthestField.map { [$0] } ?? [], in: 2...1_048_576, default: 128)
    guard count % 4 == 0, farthest > count / 4 else {
      throw folder.fieldError(countField, "\(count) buckets up to a distance of \(farthest)")
    }
    let buckets = try floats(prefix + table + ".weight", [count, sizes.heads])
    let name = label(prefix + table)
    let heads = sizes.heads
    return try distanceBias(name, columns: heads) { distance in
      let bucket = Self.bucket(distance, count: count, farthest: farthest)
      return Array(buckets[bucket * heads..<(bucket + 1) * heads])
    }
  }

  /// The bucket of key position - query position.
  private static func bucket(_ distance: Int, count: Int, farthest: Int) -> Int {
    let half = count / 2
    let exact = half / 2
    let start = distance > 0 ? half : 0
    let length = abs(distance)
    guard length >= exact else { return start + length }
    let share = logf(Float(length) / Float(exact)) / Float(log(Double(farthest) / Double(exact)))
    return start + min(half - 1, exact + Int(share * Float(half - exact)))
  }

  /// The distance times a falling number of each head: powers of two, between which the further heads are where their
  /// count is no power of two.
  mutating func slopeBias() throws(PackError) -> ValueID {
    let heads = sizes.heads
    var whole = 1
    while whole * 2 <= heads { whole *= 2 }
    let slopes = (0..<heads).map { head in
      let power =
        head < whole
        ? -8 * Double(head + 1) / Double(whole) : -4 * Double(2 * (head - whole) + 1) / Double(whole)
      return Float(exp2(power))
    }
    return try distanceBias("slopes", columns: heads) { distance in
      slopes.map { -$0 * Float(abs(distance)) }
    }
  }

  /// [1, columns, S, S] of numbers that follow from the distance alone: one table of all distances is looked up in.
  /// * numbers: `columns` of them for key position - query position.
  mutating func distanceBias(
    _ name: String, columns: Int, numbers: (Int) -> [Float]
  ) throws(PackError) -> ValueID {
    let length = rows[1]
    let longest = draft.maximum(length) ?? 1
    try requireComputable(2 * longest - 1, columns, family.fields.positions[0])
    let table = (1 - longest...longest - 1).flatMap(numbers)
    let (_, _, indices) = try distanceIndices(name, longest)
    let constant = draft.constant(
      KnownTensor(floats: table, shape: [2 * longest - 1, columns]), name: name + ".table")
    let found = try tensor(name + ".found", .gather(axis: 0), constant, indices)
    let moved = try tensor(name + ".heads", .transpose([2, 0, 1]), found)
    return try tensor(name + ".bias", .reshape([.fixed(1), .fixed(columns), length, length]), moved)
  }

  /// The positions of keys [1, S] and queries [S, 1], and key - query, counted from 0 for the least, [S, S].
  mutating func distanceIndices(
    _ name: String, _ longest: Int
  ) throws(PackError) -> (keys: ValueID, queries: ValueID, indices: ValueID) {
    let length = rows[1]
    let places = node(name + ".positions", .iota(length), [], [length], type: .int32)
    let keys = try tensor(name + ".keys", .reshape([.fixed(1), length]), places)
    let queries = try tensor(name + ".queries", .reshape([length, .fixed(1)]), places)
    let distances = try tensor(name + ".distances", .binary(.subtract), keys, queries)
    let indices = try tensor(
      name + ".indices", .binary(.add), distances, number(name + ".longest", longest - 1))
    return (keys, queries, indices)
  }
}
