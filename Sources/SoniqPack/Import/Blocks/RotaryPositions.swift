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
    guard sizes.headLength % 2 == 0, let mask else {
      throw folder.fieldError(family.fields.heads[0], "heads of \(sizes.headLength) numbers cannot be turned")
    }
    let isLocal = try layout.local.map { local throws(PackError) in try self.isLocal(index, local) } ?? false
    let base = try self.base(layout, isLocal: isLocal)
    if places == nil { places = node("positions", .positions, [mask], rows, type: .int32) }
    let pairs = sizes.headLength / 2
    let steps = (0..<pairs).map { 1 / powf(Float(base), Float(2 * $0) / Float(sizes.headLength)) }
    let angles = (0..<(draft.maximum(rows[1]) ?? 1)).flatMap { place in steps.map { Float(place) * $0 } }
    let operation = DraftOperation.rotary(
      heads: sizes.heads, isInterleaved: false, cosine: angles.map(cosf), sine: angles.map(sinf), pairs: pairs
    )
    return node(name + ".rotary", operation, [value, places ?? value], shape(value))
  }

  /// The base of the angles: of `rope_parameters`, that of the layer's kind, or else a field of its own.
  private func base(_ layout: RotaryLayout, isLocal: Bool) throws(PackError) -> Double {
    let field = "rope_parameters"
    if let stated = folder.config[field], stated != .null {
      let kind = isLocal ? "sliding_attention" : "full_attention"
      let parameters = stated[kind] ?? stated
      let type = parameters["rope_type"]?.text ?? "default"
      guard type == "default" else {
        throw folder.fieldError(field, "rope_type \"\(type)\"; known: default")
      }
      guard let base = parameters["rope_theta"]?.real, base > 1, base.isFinite else {
        throw folder.fieldError(field, "rope_theta must be a number above 1")
      }
      return base
    }
    for other in ["rope_scaling", "rotary_scaling_factor"] where folder.config[other] ?? .null != .null {
      throw folder.fieldError(other, "scaled angles are not known")
    }
    for fraction in ["rotary_emb_fraction", "partial_rotary_factor"] {
      guard try folder.real([fraction], default: 1) == 1 else {
        throw folder.fieldError(fraction, "known: 1")
      }
    }
    guard try !folder.flag("rotary_emb_interleaved", default: false) else {
      throw folder.fieldError("rotary_emb_interleaved", "known: false")
    }
    let whole = try folder.real(layout.base, default: layout.standardBase)
    let base =
      isLocal
      ? try folder.real(layout.local?.base ?? [], default: layout.local?.standardBase ?? whole) : whole
    guard base > 1, base.isFinite else { throw folder.fieldError(layout.base[0], "must be above 1") }
    return base
  }
}
