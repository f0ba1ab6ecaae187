/// The first entry that keeps `map` from being a permutation of 0..<count, or nil.
func firstPermutationFault(_ map: [UInt32], count: Int) -> Int? {
  guard map.count == count else { return min(map.count, count) }
  var seen = [Bool](repeating: false, count: count)
  for (position, channel) in map.enumerated() {
    guard Int(channel) < count, !seen[Int(channel)] else { return position }
    seen[Int(channel)] = true
  }
  return nil
}
