import Glibc
import SoniqGraph

/// Queries and keys turned by the angles of their positions.
extension EncoderGraph {
  /// Whether a layer sees positions near by only.
  func isLocal(_ index: Int, _ local: LocalAttention) throws(PackError) -> Bool {
    if let types = folder.config["layer_types"], types != .null {
      guard let names = types.array, names.count == sizes.layers, let name = names[index].text,
        ["full_attention", "sliding_attention"].contains(name)
      else {
        throw folder.fieldError(
          "layer_types", "must be full_attention or sliding_attention for each of \(sizes.layers) layers")
      }
      return name == "sliding_attention"
    }
    return index % (try folder.size([local.period], in: 1...1024, default: local.standardPeriod)) != 0
  }

  mutating func turned(
    _ layout: RotaryLayout, _ index: Int, _ value: ValueID, _ name: String
  ) throws(PackError) -> ValueID {
    let field = "partial_rotary_factor"
    let fraction = try fraction(layout, field)
    let turned = Int(Double(sizes.headLength) * fraction)
    guard let mask, turned % 2 == 0, turned > 0 else {
      throw folder.fieldError(
        fraction == 1 ? family.fields.heads[0] : field,
        "\(turned) of a head's \(sizes.headLength) numbers cannot be turned: it must be an even number")
    }
    let isLocal = try layout.local.map { local throws(PackError) in try self.isLocal(index, local) } ?? false
    if places == nil { places = node("positions", .positions, [mask], rows, type: .int32) }
    let steps = try steps(layout, isLocal: isLocal, count: turned)
    let longest = draft.maximum(rows[1]) ?? 1
    try requireComputable(longest, steps.count, family.fields.positions[0])
    let angles = (0..<longest).flatMap { place in steps.map { Float(place) * $0 } }
    let interleaves = try folder.flag("rotary_emb_interleaved", default: layout.isInterleaved)
    let operation = DraftOperation.rotary(
      heads: sizes.heads, isInterleaved: interleaves, cosine: angles.map(cosf), sine: angles.map(sinf),
      pairs: steps.count)
    return node(name + ".rotary", operation, [value, places ?? value], shape(value))
  }

  /// What a position turns each pair of `count` numbers by.
  private func steps(_ layout: RotaryLayout, isLocal: Bool, count: Int) throws(PackError) -> [Float] {
    let base = try self.base(layout, isLocal: isLocal)
    let factor = try scale(layout)
    let shrunk = powf(Float(factor), 2 / Float(count))
    return (0..<count / 2).map { pair in
      1 / powf(Float(base * factor), Float(2 * pair) / Float(count)) / shrunk
    }
  }

  /// Which part of a head is turned.
  private func fraction(_ layout: RotaryLayout, _ field: String) throws(PackError) -> Double {
    var fraction = try folder.real([field, "rotary_emb_fraction"], default: layout.standardFraction)
    if let inner = folder.config[Self.parameters]?[field], inner != .null {
      guard let stated = inner.real else {
        throw folder.fieldError(Self.parameters, "\(field) must be a number")
      }
      fraction = stated
    }
    guard fraction > 0, fraction <= 1 else { throw folder.fieldError(field, "must be above 0 and at most 1") }
    return fraction
  }

  private static let parameters = "rope_parameters"

  /// By how much longer texts are than those of training: the factor of `rope_scaling`, or 1.
  private func scale(_ layout: RotaryLayout) throws(PackError) -> Double {
    let field = "rope_scaling"
    guard let stated = folder.config[field], stated != .null else { return 1 }
    let type = (stated["rope_type"] ?? stated["type"])?.text ?? ""
    if type == "default" { return 1 }
    guard layout.mayBeScaled, type == "ntk", stated["mixed_b"] ?? .null == .null else {
      throw folder.fieldError(
        field, "scaled angles are not known" + (layout.mayBeScaled ? " but for ntk" : ""))
    }
    guard let factor = stated["factor"]?.real, factor > 0, factor < 1e6 else {
      throw folder.fieldError(field, "factor must be a number above 0")
    }
    return max(1, factor)
  }

  /// The base of the angles: of `rope_parameters`, that of the layer's kind, or else a field of its own.
  private func base(_ layout: RotaryLayout, isLocal: Bool) throws(PackError) -> Double {
    if let stated = folder.config[Self.parameters], stated != .null {
      let kind = isLocal ? "sliding_attention" : "full_attention"
      let parameters = stated[kind] ?? stated
      let type = parameters["rope_type"]?.text ?? "default"
      guard type == "default" else {
        throw folder.fieldError(Self.parameters, "rope_type \"\(type)\"; known: default")
      }
      guard let base = parameters["rope_theta"]?.real, base > 1, base.isFinite else {
        throw folder.fieldError(Self.parameters, "rope_theta must be a number above 1")
      }
      return base
    }
    if folder.config["rotary_scaling_factor"] ?? .null != .null {
      throw folder.fieldError("rotary_scaling_factor", "scaled angles are not known")
    }
    let whole = try folder.real(layout.base, default: layout.standardBase)
    let base =
      isLocal
      ? try folder.real(layout.local?.base ?? [], default: layout.local?.standardBase ?? whole) : whole
    guard base > 1, base.isFinite else { throw folder.fieldError(layout.base[0], "must be above 1") }
    return base
  }
}
