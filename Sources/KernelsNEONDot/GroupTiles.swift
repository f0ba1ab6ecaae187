import CKernelABI

/// The tiles of blocks with scales per group.
struct GroupTiles {
  @inline(__always) static var blockRows: Int { 48 }

  @inline(__always) init(_ level: GroupLevel, rows: Int) {}

  /// Rows of the next tile when this many remain.
  @inline(__always) func tileRows(_ rest: Int) -> Int { min(4, rest) }

  @inline(__always)
  func prepare(_ codes: BlockCodes, _ target: UnsafeMutablePointer<UInt8>) { prepareDotCodes(codes, target) }

  /// Where the codes of a tile begin, from its first row.
  @inline(__always) func place(_ row: Int) -> Int { row &* blockChannels }

  @inline(__always)
  func arrange(
    _ weights: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
  ) -> UnsafePointer<UInt8> { weights }

  @inline(__always)
  func multiply(_ run: GroupRun, _ rows: Int, isDirect: Bool) {
    multiplyDotGroups(run, rows, isDirect: isDirect)
  }
}
