/// What scores of attention know of places.
enum AttentionPlaces: Sendable {
  /// Nothing, or the input has them.
  case none
  case rotary(RotaryLayout)
  /// The distance times a number of each head's own (ALiBi).
  case slopes
  /// A number for each head and each bucket of distances; "#" stands for the layer where each has its own.
  case buckets(table: String, count: String, farthest: String?)
  /// Rows for distances, which queries and keys meet.
  case rows(DistanceLayout)
}

/// DeBERTa's distances: a table of rows for all layers, which each makes keys and queries of.
struct DistanceLayout: Sendable {
  var table: String
  /// Of the table's rows, where config.json says so.
  var norm: String
  /// Within a layer, where it does not take its own key and query.
  var key: String
  var query: String
}

/// Positions as angles by which queries and keys are turned; fields of config.json, the first that is there.
struct RotaryLayout: Sendable {
  /// The slowest angle's base, where `rope_parameters` does not say it.
  var base: [String]
  var standardBase: Double
  /// Pairs are of channels next to each other.
  var isInterleaved = false
  /// Which part of a head's channels is turned.
  var standardFraction = 1.0
  /// Angles may be those of longer texts, by a factor in `rope_scaling`.
  var mayBeScaled = false
  var local: LocalAttention?
}

/// Layers that see positions near by, between those that see all.
struct LocalAttention: Sendable {
  var base: [String]
  var standardBase: Double
  /// How many positions are seen, half of them on each side.
  var width: String
  var standardWidth: Int
  /// One layer of so many sees all.
  var period: String
  var standardPeriod: Int
}
