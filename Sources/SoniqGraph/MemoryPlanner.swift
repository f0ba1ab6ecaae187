import SoniqCore

/// Memory that a plan needs for a while: from step `first` to step `last`, both included.
package struct MemoryRequest: Sendable, Hashable {
  package var byteCount: Int
  package var first: Int
  package var last: Int

  package init(byteCount: Int, first: Int, last: Int) {
    self.byteCount = byteCount
    self.first = first
    self.last = last
  }
}

/// Offsets of requests in one block of memory; those alive at the same step never overlap.
package struct MemoryPlan: Sendable, Hashable {
  /// One per request, each a multiple of `alignment`.
  package let offsets: [Int]
  package let byteCount: Int

  package static let alignment = 64

  /// Greedy by size: the largest request first, each into the smallest gap that holds it.
  ///
  /// - Throws: `tooLarge` when a size is negative or the sum leaves what a pointer can address.
  package init(_ requests: [MemoryRequest]) throws(GraphError) {
    var sizes: [Int] = []
    var sum = 0
    for (index, request) in requests.enumerated() {
      guard let size = roundedUp(request.byteCount, to: Self.alignment), size <= Int.max / 4 - sum else {
        throw GraphError(.tooLarge, field: "workspace", element: index)
      }
      sizes.append(size)
      sum += size
    }
    let order = requests.indices.sorted { (sizes[$1], $0) < (sizes[$0], $1) }
    var offsets = [Int](repeating: 0, count: requests.count)
    var placed: [Int] = []  // indices in order of offset
    var end = 0
    for index in order {
      let offset = Self.place(index, among: placed, requests, sizes, offsets)
      offsets[index] = offset
      end = max(end, offset + sizes[index])
      let position = placed.firstIndex { offsets[$0] > offset } ?? placed.count
      placed.insert(index, at: position)
    }
    self.offsets = offsets
    byteCount = end
  }

  private static func place(
    _ index: Int, among placed: [Int], _ requests: [MemoryRequest], _ sizes: [Int], _ offsets: [Int]
  ) -> Int {
    let request = requests[index]
    var best: (offset: Int, gap: Int)?
    var end = 0
    for other in placed {
      let neighbour = requests[other]
      guard neighbour.first <= request.last, request.first <= neighbour.last else { continue }
      let gap = offsets[other] - end
      if gap >= sizes[index], gap < best?.gap ?? Int.max { best = (end, gap) }
      end = max(end, offsets[other] + sizes[other])
    }
    return best?.offset ?? end
  }
}
