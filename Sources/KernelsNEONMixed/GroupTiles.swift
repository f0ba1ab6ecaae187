import CKernelABI

/// The tiles of blocks with scales per group: from `matrixRows` rows on `smmla`, for which weights are zipped; fewer rows
/// by `sdot`.
struct GroupTiles {
  @inline(__always) static var blockRows: Int { 48 }
  @inline(__always) private static var matrixRows: Int { 5 }

  private let isMatrix: Bool

  @inline(__always) init(_ level: GroupLevel, rows: Int) { isMatrix = rows >= Self.matrixRows }

  /// Rows of the next tile when this many remain.
  @inline(__always) func tileRows(_ rest: Int) -> Int { min(4, rest) }

  @inline(__always)
  func prepare(_ codes: BlockCodes, _ target: UnsafeMutablePointer<UInt8>) {
    if isMatrix { prepareMatrixCodes(codes, 4, target) } else { prepareDotCodes(codes, target) }
  }

  /// Where the codes of a tile begin, from its first row.
  @inline(__always) func place(_ row: Int) -> Int { row &* blockChannels }

  @inline(__always)
  func arrange(
    _ weights: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
  ) -> UnsafePointer<UInt8> {
    guard isMatrix else { return weights }
    arrangeMatrixWeights(weights, channels, target)
    return UnsafePointer(target)
  }

  @inline(__always)
  func multiply(_ run: GroupRun, _ rows: Int, isDirect: Bool) {
    if isMatrix {
      multiplyMatrixGroups(run, rows, isDirect: isDirect)
    } else {
      multiplyDotGroups(run, rows, isDirect: isDirect)
    }
  }
}
