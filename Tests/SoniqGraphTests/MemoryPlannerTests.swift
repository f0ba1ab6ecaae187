import SoniqGraph
import SoniqTestSupport
import Testing

@Suite struct MemoryPlannerTests {
  @Test(arguments: UInt64(1)...40)
  func livingRequestsNeverOverlap(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let steps = Int.random(in: 1...30, using: &generator)
    let requests = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
      let first = Int.random(in: 0..<steps, using: &generator)
      return MemoryRequest(
        byteCount: Int.random(in: 0...5000, using: &generator), first: first,
        last: Int.random(in: first..<steps, using: &generator))
    }
    let plan = try MemoryPlan(requests)
    for (index, request) in requests.enumerated() {
      #expect(plan.offsets[index] % MemoryPlan.alignment == 0)
      #expect(plan.offsets[index] + request.byteCount <= plan.byteCount)
      for other in 0..<index {
        let neighbour = requests[other]
        guard neighbour.first <= request.last, request.first <= neighbour.last else { continue }
        let isApart =
          plan.offsets[other] + neighbour.byteCount <= plan.offsets[index]
          || plan.offsets[index] + request.byteCount <= plan.offsets[other]
        #expect(isApart, "seed \(seed): \(other) and \(index)")
      }
    }
  }

  @Test func memoryIsUsedAgain() throws {
    let chain = (0..<10).map { MemoryRequest(byteCount: 1024, first: $0, last: $0 + 1) }
    #expect(try MemoryPlan(chain).byteCount == 2048)
  }

  @Test func smallestGapIsTaken() throws {
    let requests = [
      MemoryRequest(byteCount: 640, first: 0, last: 0), MemoryRequest(byteCount: 576, first: 0, last: 2),
      MemoryRequest(byteCount: 128, first: 1, last: 2),
    ]
    #expect(try MemoryPlan(requests).byteCount == 640 + 576)
  }

  @Test(arguments: [
    [MemoryRequest(byteCount: -1, first: 0, last: 0)], [MemoryRequest(byteCount: Int.max, first: 0, last: 0)],
    [MemoryRequest](repeating: MemoryRequest(byteCount: Int.max / 8, first: 0, last: 0), count: 3),
  ])
  func whatCannotBeAddressedIsAnError(requests: [MemoryRequest]) {
    #expect(throws: GraphError.self) { try MemoryPlan(requests) }
  }
}
