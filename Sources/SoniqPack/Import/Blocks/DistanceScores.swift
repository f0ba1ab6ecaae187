import Glibc
import SoniqGraph

/// DeBERTa's distances as a graph has them.
struct DistanceTable {
  /// [count][hidden], for the distances that occur.
  var rows: [Float]
  var count: Int
  /// int32 [S, S], by query and key: where the number of their distance lies among those of the query, and of the key.
  var ofQueries: ValueID
  var ofKeys: ValueID
}

/// Scores of distances: a query meets a row for that of the key, a key one for that of the query. Each position's products
/// with all rows are made once; scores are looked up in them.
extension EncoderGraph {
  private enum Kind: String, CaseIterable {
    /// The query and the key's distance.
    case ofQuery = "c2p"
    /// The key and the query's distance.
    case ofKey = "p2c"
  }

  private static let kindsField = "pos_att_type"

  /// - Returns: what is added to the scores, float32 [B, heads, S, S], nil for nothing; and what they are multiplied with.
  mutating func distanceScores(
    _ layout: DistanceLayout, _ path: String, query: ValueID, key: ValueID
  ) throws(PackError) -> (bias: ValueID?, scale: Float) {
    let kinds = try kinds()
    let scale = 1 / Float(sizes.headLength * (1 + kinds.count)).squareRoot()
    // Scores are divided by the same where the rows are not used.
    guard try folder.flag("relative_attention", default: false), !kinds.isEmpty,
      case .separate(let queryName, let keyName, _) = family.block.projection
    else {
      return (nil, scale)
    }
    let table = try distanceTable(layout)
    let isShared = try folder.flag("share_att_key", default: false)
    var bias: ValueID?
    for kind in kinds {
      let isQuery = kind == .ofQuery
      let other = isQuery ? (isShared ? keyName : layout.key) : (isShared ? queryName : layout.query)
      let name = path + (isQuery ? ".attention.key_distances" : ".attention.query_distances")
      let products = try products(
        of: isQuery ? query : key, with: prefix + path + "." + other, table, scale: scale, name)
      let found = try tensor(
        name + ".scores", .gather(axis: 2), products, isQuery ? table.ofQueries : table.ofKeys)
      bias =
        try bias.map { left throws(PackError) in try sum(path + ".attention.distances", left, found) }
        ?? found
    }
    return (bias, scale)
  }

  /// [B, heads, S * count]: each position's query or key times the rows of the distances.
  /// * weights: what makes keys or queries of the rows.
  private mutating func products(
    of value: ValueID, with weights: String, _ table: DistanceTable, scale: Float, _ name: String
  ) throws(PackError) -> ValueID {
    let (heads, length) = (sizes.heads, sizes.headLength)
    let width = heads * length
    let layer = try self.weights(weights, outputs: width, inputs: sizes.hidden)
    let rows = layer.applied(to: table.rows, count: table.count).map { $0 * scale }
    // A table, which has codes and scales as other weights do.
    let places = draft.constant(
      KnownTensor(integers: (0..<Int64(table.count)).map { $0 }, shape: [table.count]), name: name + ".places"
    )
    let looked = node(
      name, .embedding(table: rows, rows: table.count, channels: width), [places],
      [.fixed(table.count), .fixed(width)])
    let split = try tensor(
      name + ".split", .reshape([.fixed(table.count), .fixed(heads), .fixed(length)]), looked)
    let right = try tensor(name + ".heads", .transpose([1, 0, 2]), split)
    let (batch, positions) = (shape(value)[0], shape(value)[1])
    let parts = try tensor(
      name + ".parts", .reshape([batch, positions, .fixed(heads), .fixed(length)]), value)
    let left = try tensor(name + ".moved", .transpose([0, 2, 1, 3]), parts)
    let products = try tensor(name + ".products", .matmul(transposesRight: true), left, right)
    guard let all = draft.product([positions, .fixed(table.count)]) else {
      throw PackError(.data, place: "node \(name)", "too many distances")
    }
    let line = try draft.dimension(all)
    return try tensor(name + ".line", .reshape([batch, .fixed(heads), line]), products)
  }

  private func kinds() throws(PackError) -> [Kind] {
    let stated = folder.config[Self.kindsField] ?? .null
    var names: [String] = []
    if let text = stated.text {
      names = text.split(separator: "|").map { String($0.filter { $0 != " " }).lowercased() }
    } else if let list = stated.array {
      names = list.compactMap(\.text)
      if names.count < list.count { throw folder.fieldError(Self.kindsField, "must be a list of texts") }
    } else if stated != .null {
      throw folder.fieldError(Self.kindsField, "must be a list of texts")
    }
    guard let odd = names.first(where: { Kind(rawValue: $0) == nil }) else {
      return Kind.allCases.filter { names.contains($0.rawValue) }
    }
    let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
    throw folder.fieldError(Self.kindsField, "\"\(odd)\"; known: \(known)")
  }

  /// Made by the first layer.
  private mutating func distanceTable(_ layout: DistanceLayout) throws(PackError) -> DistanceTable {
    if let made = distances { return made }
    let buckets = try DistanceBuckets(folder, family.fields.positions)
    let longest = draft.maximum(rows[1]) ?? 1
    let numbers = (1 - longest...longest - 1).map { buckets.row(of: -$0) }
    let (first, last) = (numbers.min() ?? 0, numbers.max() ?? 0)
    var table = try floats(prefix + layout.table + ".weight", [2 * buckets.span, sizes.hidden])
    if try normsDistances() { table = try normed(table, prefix + layout.norm) }
    let name = layout.table
    let (keys, queries, indices) = try distanceIndices(name, longest)
    let known = draft.constant(
      KnownTensor(integers: numbers.map { Int64($0 - first) }, shape: [numbers.count]), name: name + ".places"
    )
    let found = try tensor(name + ".found", .gather(axis: 0), known, indices)
    let count = last - first + 1
    // Places of scores are whole numbers of 32 bits.
    guard longest <= Int(Int32.max) / count else {
      throw folder.fieldError(
        family.fields.positions[0],
        "\(longest) positions with \(count) distances each; --maximum makes texts shorter")
    }
    let length = number(name + ".count", count)
    let begins = try tensor(name + ".query_begins", .binary(.multiply), queries, length)
    let others = try tensor(name + ".key_begins", .binary(.multiply), keys, length)
    let made = DistanceTable(
      rows: Array(table[first * sizes.hidden..<(last + 1) * sizes.hidden]), count: count,
      ofQueries: try tensor(name + ".of_queries", .binary(.add), found, begins),
      ofKeys: try tensor(name + ".of_keys", .binary(.add), found, others))
    distances = made
    return made
  }

  private func normsDistances() throws(PackError) -> Bool {
    let field = "norm_rel_ebd"
    let stated = try folder.text(field) ?? "none"
    let names = stated.split(separator: "|").map { $0.filter { $0 != " " }.lowercased() }
    guard names.allSatisfy({ ["none", "layer_norm"].contains($0) }) else {
      throw folder.fieldError(field, "\"\(stated)\"; known: none, layer_norm")
    }
    return names.contains("layer_norm")
  }

  /// Rows of the hidden size, less their mean and by their deviation.
  private mutating func normed(_ rows: [Float], _ name: String) throws(PackError) -> [Float] {
    let size = sizes.hidden
    let (gamma, beta) = (try floats(name + ".weight", [size]), try floats(name + ".bias", [size]))
    var result = rows
    for start in stride(from: 0, to: rows.count, by: size) {
      let row = rows[start..<start + size].map(Double.init)
      let mean = row.reduce(0, +) / Double(size)
      let square = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(size)
      let factor = 1 / (square + Double(sizes.epsilon)).squareRoot()
      for index in 0..<size {
        result[start + index] = Float((row[index] - mean) * factor) * gamma[index] + beta[index]
      }
    }
    return result
  }
}

/// Which row a distance has.
private struct DistanceBuckets {
  /// Rows on either side.
  let span: Int
  /// 0: a row for each distance.
  let buckets: Int
  let farthest: Int

  init(_ folder: CheckpointFolder, _ positions: [String]) throws(PackError) {
    let field = "max_relative_positions"
    // Below 1: as many as there are positions.
    let stated = try folder.size(field, in: -1...1_048_576, default: -1)
    farthest = stated > 0 ? stated : try folder.size(positions, in: 1...1_048_576, default: 512)
    buckets = max(0, try folder.size("position_buckets", in: -1...1_048_576, default: -1))
    span = buckets > 0 ? buckets : farthest
    guard buckets == 0 || buckets > 1 && farthest - 1 > buckets / 2 else {
      throw folder.fieldError("position_buckets", "\(buckets) buckets up to a distance of \(farthest)")
    }
  }

  /// Of query position - key position.
  func row(of distance: Int) -> Int { min(max(bucket(of: distance) + span, 0), 2 * span - 1) }

  /// Near distances count; far ones grow with the logarithm.
  private func bucket(of distance: Int) -> Int {
    let middle = buckets / 2
    let length = distance.magnitude
    guard buckets > 0, length > middle else { return distance }
    let share = logf(Float(length) / Float(middle)) / logf(Float(Double(farthest - 1) / Double(middle)))
    let far = Int((share * Float(middle - 1)).rounded(.up)) + middle
    return distance < 0 ? -far : far
  }
}
