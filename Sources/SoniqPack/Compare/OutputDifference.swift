/// How far an output of a packed model is from that of the float one, over all samples.
package struct OutputDifference: Sendable, Hashable {
  package let name: String
  package private(set) var numbers = ValueDifference()
  /// The lowest cosine of a sample; 0 for one of which the packed output alone is not finite.
  package private(set) var minimumCosine = 1.0
  package private(set) var samples = 0
  /// Rows of the last axis whose largest number is at one place in both, and all rows; 0 where that axis has one place.
  package private(set) var equalRows = 0
  package private(set) var rows = 0

  package init(name: String) { self.name = name }

  /// The part of the rows that agree; nil where the last axis has no choice.
  package var equalShare: Double? { rows == 0 ? nil : Double(equalRows) / Double(rows) }

  /// * shape: of both.
  /// * sampleCount: what the run had; where the first axis counts other things, all is one sample.
  package mutating func add(reference: [Float], packed: [Float], shape: [Int], sampleCount: Int) {
    let isBySample = shape.first == sampleCount && sampleCount > 0
    let length = max(1, isBySample ? reference.count / sampleCount : reference.count)
    let width = shape.last ?? 1
    reference.withUnsafeBufferPointer { reference in
      packed.withUnsafeBufferPointer { packed in
        numbers.add(reference: reference, packed: packed)
        for begin in stride(from: 0, to: reference.count, by: length) {
          let range = begin..<begin + length
          let cosine = Self.cosine(
            UnsafeBufferPointer(rebasing: reference[range]), UnsafeBufferPointer(rebasing: packed[range]))
          minimumCosine = min(minimumCosine, cosine)
          samples += 1
        }
        guard width > 1 else { return }
        for begin in stride(from: 0, to: reference.count, by: width) {
          let range = begin..<begin + width
          let places = [reference[range], packed[range]].map {
            Self.largest(UnsafeBufferPointer(rebasing: $0))
          }
          rows += 1
          equalRows += places[0] == places[1] ? 1 : 0
        }
      }
    }
  }

  /// 1 for two rows of zeros. Places where the float number is not finite are passed over.
  private static func cosine(
    _ reference: UnsafeBufferPointer<Float>, _ packed: UnsafeBufferPointer<Float>
  ) -> Double {
    var (product, wanted, got) = (0.0, 0.0, 0.0)
    for (first, second) in zip(reference, packed) where first.isFinite {
      product += Double(first) * Double(second)
      wanted += Double(first) * Double(first)
      got += Double(second) * Double(second)
    }
    guard got.isFinite else { return 0 }
    let length = wanted.squareRoot() * got.squareRoot()
    return length > 0 ? product / length : wanted == got ? 1 : 0
  }

  /// The first place of the largest number; NaN is passed over.
  private static func largest(_ row: UnsafeBufferPointer<Float>) -> Int {
    var best = 0
    for place in row.indices where row[place] > row[best] || row[best].isNaN { best = place }
    return best
  }
}
