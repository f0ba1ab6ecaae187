import SoniqTestSupport
import Testing

@testable import SoniqOperators

@Suite struct LoopNestTests {
  /// Loops as they are said, outermost first.
  struct Loops: CustomStringConvertible {
    var sizes: [Int]
    var strides: [Offsets]
    var origin: Offsets

    init(using generator: inout SeededGenerator) {
      sizes = (0..<Int.random(in: 0...8, using: &generator)).map { _ in
        Int.random(in: 1...4, using: &generator)
      }
      strides = sizes.map { _ in .zero }
      // An array, a broadcast operand, one read backwards, one with strides of its own: some neighbours join.
      var dense = 1
      for loop in sizes.indices.reversed() {
        let isJoined = Bool.random(using: &generator)
        strides[loop] = Offsets(
          dense, isJoined ? dense * 2 : 0, -dense,
          isJoined ? 3 * dense : Int.random(in: 0...9, using: &generator))
        dense *= sizes[loop]
      }
      origin = Offsets(0, 5, dense, -2)
    }

    var nest: LoopNest {
      var nest = LoopNest()
      for (size, stride) in zip(sizes, strides) { nest.append(size, stride) }
      nest.origin = origin
      return nest
    }

    /// Where the operands are at every turn, by plain counting.
    var places: [Offsets] {
      var places = [origin]
      for (size, stride) in zip(sizes, strides) {
        places = places.flatMap { place in
          (0..<size).map { place &+ stride &* Offsets(repeating: $0) }
        }
      }
      return places
    }

    var description: String { "\(sizes) \(strides)" }
  }

  /// The places that a cursor visits from `begin` up to `end`, by runs of at most `most`.
  private static func visited(_ nest: LoopNest, _ begin: Int, _ end: Int, atMost most: Int) -> [Offsets] {
    var places: [Offsets] = []
    var cursor = RunCursor(nest, at: begin)
    while cursor.position < end {
      let count = min(cursor.count(to: end), most)
      guard count > 0 else { break }
      for turn in 0..<count { places.append(cursor.offsets &+ nest.runStride &* Offsets(repeating: turn)) }
      cursor.advance(count)
    }
    return places
  }

  @Test(arguments: UInt64(6800)..<6840) func everyPartVisitsWhatCountingVisits(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let loops = Loops(using: &generator)
    let nest = loops.nest
    let places = loops.places
    #expect(nest.count == places.count, "seed \(seed): \(loops)")
    let isSame = Self.visited(nest, 0, places.count, atMost: .max) == places
    #expect(isSame, "seed \(seed): \(loops)")
    for _ in 0..<20 {
      let begin = Int.random(in: 0..<places.count, using: &generator)
      let end = Int.random(in: begin...places.count, using: &generator)
      let most = Int.random(in: 1...5, using: &generator)
      let isSame = Self.visited(nest, begin, end, atMost: most) == Array(places[begin..<end])
      #expect(isSame, "seed \(seed): \(begin)..<\(end) of \(loops)")
    }
  }

  @Test func neighboursThatMoveEvenlyAreOneLoop() {
    var nest = LoopNest()
    nest.append(2, Offsets(12, 0, 0, 0))
    nest.append(3, Offsets(4, 0, 0, 0))
    nest.append(1, Offsets(99, 99, 99, 99))
    nest.append(4, Offsets(1, 0, 0, 0))
    #expect(nest.depth == 1 && nest.runLength == 24 && nest.runStride == Offsets(1, 0, 0, 0))
    // The second operand stands still for the inner loop only.
    var broadcast = LoopNest()
    broadcast.append(3, Offsets(4, 1, 0, 0))
    broadcast.append(4, Offsets(1, 0, 0, 0))
    #expect(broadcast.depth == 2 && broadcast.count == 12)
    #expect(LoopNest().count == 1 && LoopNest().runLength == 1 && LoopNest().runStride == .zero)
  }

  /// As many loops as a value may have dimensions, none of which join.
  @Test func eightLoopsFit() {
    var nest = LoopNest()
    for loop in 0..<8 { nest.append(2, Offsets(1 << (loop * 2), 0, 0, 0)) }
    #expect(nest.depth == 8 && nest.count == 256)
  }

  @Test(arguments: UInt64(6900)..<6920) func movedLoopsVisitTheSamePlaces(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var loops = Loops(using: &generator)
    // Far apart, so that every place is another.
    loops.strides = loops.sizes.indices.map { Offsets(1 << (3 * $0), 0, 0, 0) }
    let nest = loops.nest
    for loop in 0..<nest.depth {
      var moved = nest
      moved.moveBeforeLast(loop)
      let places = Self.visited(moved, 0, moved.count, atMost: .max)
      #expect(Set(places) == Set(loops.places) && places.count == nest.count, "seed \(seed): \(loop)")
      #expect(moved.runStride == nest.runStride && moved.depth == nest.depth)
      if loop < nest.depth - 2 {
        #expect(moved.strides[nest.depth - 2] == nest.strides[loop], "seed \(seed): \(loop) of \(loops)")
      }
    }
    for inner in 0...nest.depth {
      let outer = nest.withoutInner(inner)
      let left = (0..<nest.depth - inner).reduce(1) { $0 * nest.sizes[$1] }
      #expect(outer.depth == nest.depth - inner && outer.count == left)
    }
  }
}
