import SoniqGraph

/// The table of what lives between runs.
enum StateCoding {
  private enum Kind: UInt8 {
    case recurrent = 1, growing
  }

  static func write(_ states: [GraphState], to sink: inout ByteSink) {
    sink.word(states.count)
    for state in states {
      sink.text(state.name)
      sink.byte(Int(state.isGrowing ? Kind.growing.rawValue : Kind.recurrent.rawValue))
      sink.byte(Int(state.elementType.rawValue))
      sink.byte(state.bits)
      sink.byte(state.shape.count)
      for dimension in state.shape { ModelSerializer.write(dimension, to: &sink) }
      if case .recurrent(let value, let next) = state.kind {
        sink.word(value)
        sink.word(next)
      }
    }
  }

  static func read(
    _ cursor: inout ByteCursor, valueCount: Int, symbolCount: Int
  ) throws(FormatError) -> (states: [GraphState], places: [Int]) {
    let place = cursor.offset
    let count = try cursor.count("count", limit: maximumStates, size: 13)
    guard count > 0 else {
      throw cursor.fault(
        .outOfRange, "count", at: place, got: .integer(0), expected: .range(1...maximumStates))
    }
    var states: [GraphState] = []
    var places: [Int] = []
    var names = Set<TextBytes>()
    for index in 0..<count {
      cursor.record = index
      places.append(cursor.offset)
      let name = try cursor.uniqueName("name", in: &names)
      let kind = try cursor.tag(Kind.self, "kind")
      let elementType = try cursor.tag(ElementType.self, "elementType")
      let most = 8 * elementType.byteCount
      let bits = try cursor.byte("bits", in: (elementType == .int8 ? 4 : most)...most)
      let rank = try ModelReader.readRank(&cursor)
      var shape: [Dimension] = []
      for _ in 0..<rank {
        shape.append(try ModelReader.readDimension(&cursor, "shape", symbolCount: symbolCount))
      }
      var form = GraphState.Kind.growing
      if kind == .recurrent {
        let value = try cursor.index("value", below: valueCount)
        form = .recurrent(value: value, next: try cursor.index("next", below: valueCount))
      }
      states.append(GraphState(name: name, elementType: elementType, bits: bits, shape: shape, kind: form))
    }
    return (states, places)
  }
}
