import Glibc
import SoniqCore
import SoniqGraph

/// Fourier transforms of fixed lengths as products with constant matrices, which are never packed, and the windows and
/// filters that go with them.
extension OnnxConversion {
  private static let longestTransform = 1 << 13

  /// Rows [sample, part of a number] of a transform; columns [frequency, real and imaginary part].
  private mutating func transform(
    samples: Int, length: Int, frequencies: Int, isComplex: Bool, isInverse: Bool
  ) throws(PackError) -> ValueID {
    let parts = isComplex ? 2 : 1
    guard samples > 0, length > 0, length <= Self.longestTransform, samples <= length else {
      throw fault("a transform of \(length); \(Self.longestTransform) is the most")
    }
    var matrix = [Float](repeating: 0, count: samples * parts * frequencies * 2)
    let scale = isInverse ? 1 / Double(length) : 1
    for sample in 0..<samples {
      for frequency in 0..<frequencies {
        let turn = 2 * Double.pi * Double(sample * frequency % length) / Double(length)
        let (real, imaginary) = (cos(turn) * scale, (isInverse ? sin(turn) : -sin(turn)) * scale)
        let row = sample * parts * frequencies * 2 + frequency * 2
        (matrix[row], matrix[row + 1]) = (Float(real), Float(imaginary))
        guard isComplex else { continue }
        (matrix[row + frequencies * 2], matrix[row + frequencies * 2 + 1]) = (Float(-imaginary), Float(real))
      }
    }
    return constant(KnownTensor(floats: matrix, shape: [samples * parts, frequencies * 2]))
  }

  mutating func fourier() throws(PackError) -> [ValueID] {
    var input = try input(0)
    var shape = onnxShape(input)
    // An attribute before opset 20.
    let stated = try knownInput(2, "axis")?.integers?.first.map { Int($0) } ?? node.integer("axis")
    let axis = try axis(stated ?? (opset < 20 ? 1 : -2), rank: shape.count)
    guard shape.count >= 2, axis != shape.count - 1, case .fixed(let parts) = shape[shape.count - 1],
      (1...2).contains(parts), case .fixed(let size) = shape[axis]
    else {
      throw fault("a transform along axis \(axis) of \(draft.words(shape)); fix its sizes with --shape")
    }
    let isInverse = node.flag("inverse")
    let isHalf = isInverse && node.flag("onesided")
    let given = try knownInput(1, "dft_length")?.integers?.first.map { Int($0) }
    let length = given ?? (isHalf ? 2 * (size - 1) : size)
    guard length > 0, length <= Self.longestTransform else { throw fault("a transform of \(length)") }
    if isHalf {
      guard parts == 2, size == length / 2 + 1 else { throw fault("\(size) frequencies of \(length)") }
    } else if length < size {
      input = try slice(input, axis: axis, begin: 0, step: 1, count: length)
    }
    let isOneSided = node.flag("onesided")
    let frequencies = isOneSided ? length / 2 + 1 : length
    let matrix =
      isHalf
      ? halfInverse(length)
      : try transform(
        samples: min(size, length), length: length, frequencies: frequencies, isComplex: parts == 2,
        isInverse: isInverse)
    // The axis beside the parts of its numbers.
    var order = Array(0..<shape.count)
    order.remove(at: axis)
    order.insert(axis, at: shape.count - 2)
    let turned = try transpose(input, order)
    shape = onnxShape(turned)
    let rest = shape.dropLast(2).map { draft.extent($0) }
    let rows = try reshape(turned, to: rest + [Extent((isHalf ? size : min(size, length)) * parts)])
    let product = try tensor(.matmul(transposesRight: false), atLeastRows(rows), matrix)
    let result = try reshape(
      product, to: rest + (isHalf ? [Extent(length), Extent(1)] : [Extent(frequencies), Extent(2)]))
    let back = order.indices.map { place in order.firstIndex(of: place) ?? place }
    return [try transpose(result, back)]
  }

  /// Rows [frequency of one side, part of a number]; columns are samples.
  private mutating func halfInverse(_ length: Int) -> ValueID {
    var matrix: [Float] = []
    for frequency in 0...length / 2 {
      let isAlone = frequency == 0 || 2 * frequency == length
      let scale = (isAlone ? 1 : 2) / Double(length)
      let turns = (0..<length).map { 2 * Double.pi * Double($0 * frequency % length) / Double(length) }
      matrix += turns.map { Float(cos($0) * scale) }
      matrix += turns.map { isAlone ? 0 : Float(-sin($0) * scale) }
    }
    return constant(KnownTensor(floats: matrix, shape: [(length / 2 + 1) * 2, length]))
  }

  private mutating func atLeastRows(_ value: ValueID) throws(PackError) -> ValueID {
    let shape = onnxShape(value).map { draft.extent($0) }
    return shape.count >= 2 ? value : try reshape(value, to: [Extent(1)] + shape)
  }

  /// Signals [batch, length] or [batch, length, parts] -> [batch, frames, frequencies, 2].
  mutating func shortFourier() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = onnxShape(input)
    guard (2...3).contains(shape.count), case .fixed(let size) = shape[1],
      let parts = shape.count == 3 ? draft.extent(shape[2]).fixed : 1, (1...2).contains(parts)
    else { throw fault("a signal of \(draft.words(shape)); fix its length with --shape") }
    guard let step = try knownInput(1, "frame_step")?.integers?.first.map({ Int($0) }), step > 0 else {
      throw fault("its frame_step is missing or not above 0")
    }
    let window = try optionalInput(2)
    let stated = try knownInput(3, "frame_length")?.integers?.first.map { Int($0) }
    guard let length = stated ?? window.flatMap({ draft.extent(onnxShape($0)[0]).fixed }),
      (1...min(size, Self.longestTransform)).contains(length)
    else { throw fault("frames longer than the signal of \(size), or than \(Self.longestTransform)") }
    let frames = (size - length) / step + 1
    guard let count = checkedProduct(frames, length), count <= maximumKnownElements else {
      throw fault("\(frames) frames of \(length)")
    }
    let places = (0..<count).map { Int64($0 / length * step + $0 % length) }
    let framed = try tensor(
      .gather(axis: 1), input, constant(KnownTensor(integers: places, shape: [frames, length])))
    let batch = draft.extent(shape[0])
    var rows = try reshape(framed, to: [batch, Extent(frames), Extent(length), Extent(parts)])
    if let window {
      rows = try binary(.multiply, rows, reshape(real(window), to: [Extent(length), Extent(1)]))
    }
    let frequencies = node.flag("onesided", default: true) && parts == 1 ? length / 2 + 1 : length
    let matrix = try transform(
      samples: length, length: length, frequencies: frequencies, isComplex: parts == 2, isInverse: false)
    let product = try tensor(
      .matmul(transposesRight: false),
      reshape(rows, to: [batch, Extent(frames), Extent(length * parts)]), matrix)
    return [try reshape(product, to: [batch, Extent(frames), Extent(frequencies), Extent(2)])]
  }

  /// Sums of cosines: factors of cos(0), cos(x), cos(2x).
  mutating func window(_ factors: [Double]) throws(PackError) -> [ValueID] {
    guard let size = try knownInput(0, "size")?.integers?.first.map({ Int($0) }),
      (1...maximumKnownElements).contains(size)
    else { throw fault("its size is not known or less than 1") }
    let length = Double(node.flag("periodic", default: true) ? size : max(1, size - 1))
    let numbers = (0..<size).map { place -> Float in
      let turn = 2 * Double.pi * Double(place) / length
      return Float(factors.enumerated().reduce(0) { $0 + $1.element * cos(Double($1.offset) * turn) })
    }
    return [constant(KnownTensor(floats: numbers, shape: [size]))]
  }

  /// Triangles on the mel scale, [length / 2 + 1, bins].
  mutating func melWeights() throws(PackError) -> [ValueID] {
    var numbers: [Double] = []
    for index in 0..<5 {
      guard let known = try knownInput(index, "input \(index)"), known.count == 1,
        let number = known.floats.map({ Double($0[0]) }) ?? known.integers.map({ Double($0[0]) })
      else { throw fault("input \(index) is no known number") }
      numbers.append(number)
    }
    let (bins, length, rate) = (numbers[0], numbers[1], numbers[2])
    guard (1...65536).contains(bins), (1...65536).contains(length), rate > 0 else {
      throw fault("\(bins) bins of \(length) samples at \(rate)")
    }
    func mel(_ frequency: Double) -> Double { 2595 * log10(1 + frequency / 700) }
    let rows = Int(length) / 2 + 1
    let step = (mel(numbers[4]) - mel(numbers[3])) / (bins + 2)
    let edges = (0..<Int(bins) + 2).map { place -> Int in
      let frequency = 700 * (pow(10, (Double(place) * step + mel(numbers[3])) / 2595) - 1)
      let edge = ((length + 1) * frequency / rate).rounded(.down)
      return edge.isFinite && edge >= 0 && edge <= Double(rows) ? Int(edge) : -1
    }
    guard edges.allSatisfy({ $0 >= 0 }) else { throw fault("frequencies beyond half of the rate \(rate)") }
    var weights = [Float](repeating: 0, count: rows * Int(bins))
    for bin in 0..<Int(bins) {
      let (low, centre, high) = (edges[bin], edges[bin + 1], edges[bin + 2])
      for row in low..<max(centre + 1, high) where row < rows {
        let side =
          row < centre ? Float(row - low) / Float(centre - low) : Float(high - row) / Float(high - centre)
        weights[row * Int(bins) + bin] = row == centre ? 1 : side
      }
    }
    return [constant(KnownTensor(floats: weights, shape: [rows, Int(bins)]))]
  }
}
