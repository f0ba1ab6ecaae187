import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct TensorLayoutTests {
  static let shapes = [
    [5], [3, 4], [1, 7, 1], [2, 3, 4, 5], [17, 33], [20, 1, 30], [2, 1, 3, 2, 2, 1, 3, 2], [3, 37, 41],
  ]

  @Test(arguments: shapes)
  func transposes(shape: [Int]) throws {
    var generator = SeededGenerator(seed: 111)
    let x = TensorArray.random(shape, using: &generator)
    for _ in 0..<(shape.count < 3 ? 4 : 6) {
      let permutation = shape.indices.shuffled(using: &generator)
      let expected = TensorArray(permutation.map { shape[$0] }) { index in
        var source = index
        for (place, axis) in permutation.enumerated() { source[axis] = index[place] }
        return x[source]
      }
      try TensorRun(.transpose(permutation), [x]).expect(expected)
      var run = TensorRun(.transpose(permutation), [x], batched: [0])
      if shape[0] > 5 { run.batched = [] }
      try run.expect(expected)
    }
  }

  @Test(arguments: shapes)
  func slices(shape: [Int]) throws {
    var generator = SeededGenerator(seed: 112)
    let x = TensorArray.random(shape, using: &generator)
    for _ in 0..<8 {
      let ranges = shape.map { size -> SliceRange in
        let begin = Int.random(in: 0..<size, using: &generator)
        let step = [1, 1, 2, 3, -1, -2].randomElement(using: &generator) ?? 1
        let most = step > 0 ? (size - 1 - begin) / step + 1 : begin / -step + 1
        return SliceRange(begin: begin, step: step, count: Int.random(in: 1...most, using: &generator))
      }
      let expected = TensorArray(ranges.map { $0.count?.fixedSize ?? 0 }) { index in
        x[zip(index, ranges).map { $1.begin + $0 * $1.step }]
      }
      try TensorRun(.slice(ranges), [x]).expect(expected)
    }
  }

  @Test func expands() throws {
    var generator = SeededGenerator(seed: 113)
    for (from, to) in [([1], [3, 5]), ([4, 1], [2, 4, 60]), ([3], [3]), ([2, 1, 3, 1], [2, 5, 3, 7])] {
      let x = TensorArray.random(from, using: &generator)
      try TensorRun(.expand(to.map(Dimension.fixed)), [x]).expect(TensorArray(to) { x.broadcast($0) })
    }
    let x = TensorArray.random([3, 1, 4], using: &generator)
    try TensorRun(.expand([.symbol(0), .fixed(6), .fixed(4)]), [x], batched: [0]).expect(
      TensorArray([3, 6, 4]) { x.broadcast($0) })
  }

  @Test func concatenates() throws {
    var generator = SeededGenerator(seed: 114)
    for axis in 0..<3 {
      for count in [1, 2, 9, 64] {
        let inputs = (0..<count).map { index in
          var shape = [3, 4, 5]
          shape[axis] = index % 4 + 1
          return TensorArray.random(shape, using: &generator)
        }
        var shape = [3, 4, 5]
        shape[axis] = inputs.reduce(0) { $0 + $1.shape[axis] }
        let expected = TensorArray(shape) { index in
          var place = index
          var input = 0
          while place[axis] >= inputs[input].shape[axis] {
            place[axis] -= inputs[input].shape[axis]
            input += 1
          }
          return inputs[input][place]
        }
        try TensorRun(.concatenate(axis: axis), inputs).expect(expected)
      }
    }
  }

  /// Rows of short parts, in ranges of lanes that begin and end inside a row.
  @Test(arguments: ElementType.allCases)
  func concatenatesShortParts(type: ElementType) throws {
    let seed: UInt64 = 117
    var generator = SeededGenerator(seed: seed)
    for sizes in [[1, 1, 1], [2, 1, 3, 1], [7, 5]] {
      let inputs = sizes.map { TensorArray.random([3, 4001, $0], type, using: &generator) }
      let places = sizes.enumerated().flatMap { part, size in (0..<size).map { (part, $0) } }
      let expected = TensorArray([3, 4001, places.count], type) { index in
        let (part, place) = places[index[2]]
        return inputs[part][[index[0], index[1], place]]
      }
      let result = try TensorRun(.concatenate(axis: 2), inputs).run()
      #expect(result.bits == expected.bits, "\(sizes) of \(type), seed \(seed)")
    }
  }

  static func padded(_ mode: PadMode, _ index: Int, _ size: Int) -> Int? {
    if (0..<size).contains(index) { return index }
    switch mode {
    case .constant: return nil
    case .edge: return index < 0 ? 0 : size - 1
    case .wrap: return ((index % size) + size) % size
    case .reflect:
      var place = index
      while !(0..<size).contains(place) {
        if size == 1 { return 0 }
        place = place < 0 ? -place : 2 * (size - 1) - place
      }
      return place
    }
  }

  /// Shapes, and which of their axes get margins.
  static let padding: [([Int], [Bool])] = [
    ([5], [true]), ([3, 4], [true, true]), ([2, 6, 1, 5], [true, true, true, true]),
    ([1, 8, 9, 8], [true, true, true, true]), ([3, 1], [true, true]),
    ([2, 9, 7, 1], [false, true, true, false]),
    ([2, 4, 3, 5], [true, true, false, false]), ([6, 2, 3], [true, false, false]), ([3, 2], [false, false]),
  ]

  @Test(arguments: PadMode.allCases)
  func pads(mode: PadMode) throws {
    var generator = SeededGenerator(seed: 115)
    for (shape, margins) in Self.padding {
      let x = TensorArray.random(shape, using: &generator)
      for most in [0, 1, 3, 9] {
        let before = margins.map { $0 ? Int.random(in: 0...most, using: &generator) : 0 }
        let after = margins.map { $0 ? Int.random(in: 0...most, using: &generator) : 0 }
        let output = shape.indices.map { shape[$0] + before[$0] + after[$0] }
        let expected = TensorArray(output) { index in
          var source: [Int] = []
          for dimension in shape.indices {
            guard let place = Self.padded(mode, index[dimension] - before[dimension], shape[dimension]) else {
              return -7
            }
            source.append(place)
          }
          return x[source]
        }
        try TensorRun(.pad(mode, before: before, after: after, value: -7), [x]).expect(expected)
      }
    }
  }

  @Test func padsIntegers() throws {
    let x = TensorArray([2], [5, -3], .int32)
    try TensorRun(.pad(.constant, before: [1], after: [2], value: 2.9), [x]).expect(
      TensorArray([5], [2, 5, -3, 2, 2], .int32))
  }

  @Test func gathers() throws {
    var generator = SeededGenerator(seed: 116)
    for shape in [[6], [4, 5], [3, 1, 4], [2, 6, 700]] {
      for axis in shape.indices {
        for indexShape in [[1], [7], [2, 3]] {
          let x = TensorArray.random(shape, using: &generator)
          let size = Int32(shape[axis])
          let indices = TensorArray.integers(indexShape, -size...(size - 1), using: &generator)
          let output = Array(shape[..<axis]) + indexShape + Array(shape[(axis + 1)...])
          let expected = TensorArray(output) { index in
            let place = Int(indices[Array(index[axis..<axis + indexShape.count])])
            let row = place < 0 ? place + shape[axis] : place
            return x[Array(index[..<axis]) + [row] + Array(index[(axis + indexShape.count)...])]
          }
          try TensorRun(.gather(axis: axis), [x, indices]).expect(expected)
        }
      }
    }
  }

  @Test(arguments: 1...3)
  func gatherRefusesIndicesOutOfRange(lanes: Int) throws {
    let x = TensorArray([3, 20000], [Double](repeating: 1, count: 60000))
    for (indices, position) in [([0, 2, 3, 9], 2), ([0, -3, -4, 0], 2), ([0, 0, 0, Double(Int32.min)], 3)] {
      let run = TensorRun(.gather(axis: 0), [x, TensorArray([4], indices.map { Double($0) }, .int32)])
      let error = #expect(throws: RuntimeError.self) { try run.run(lanes: lanes) }
      #expect(error?.code == .idOutOfRange)
      #expect(error?.position == position)
      #expect(error?.actual == Int(indices[position]))
      #expect(error?.expected == 3)
      #expect(error?.subject == "input1")
    }
  }
}
