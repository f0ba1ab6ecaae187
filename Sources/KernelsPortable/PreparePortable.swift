import CKernelABI

/// The definition of the prepared forms: 32 channels at a time, every code once.
@inline(never) func prepareRows(
  _ pointer: UnsafePointer<snq_prepare_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let codes = args.codes, let prepared = args.prepared else { return }
  let planeStride = args.planeStride
  for row in Int(rowBegin)..<max(Int(rowBegin), Int(rowEnd)) {
    let source = codes + row &* args.codeStride
    let target = prepared + row &* args.preparedStride
    for group in 0..<Int(args.paddedChannels) / 32 {
      let block = source + group &* 32
      switch Int(args.form) {
      case SNQ_BIT_PLANES:
        for plane in 0..<Int(args.activationBits) {
          packBits(block, plane, target + (planeStride &* plane &+ group &* 4))
        }
      case SNQ_TABLES: buildTables(block, shift: 0, mask: 255, target + group &* 128)
      default:
        buildTables(block, shift: 0, mask: 15, target + group &* 256)
        buildTables(block, shift: 4, mask: 15, target + (group &* 256 &+ 128))
      }
    }
  }
}

@inline(__always)
private func packBits(
  _ codes: UnsafePointer<UInt8>, _ plane: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  for byte in 0..<4 {
    var bits: UInt8 = 0
    for place in 0..<8 {
      let channel = place / 4 &* 16 &+ byte &* 4 &+ place % 4
      let bit = codes[channel] &>> UInt8(truncatingIfNeeded: plane) & 1
      bits |= bit &<< UInt8(truncatingIfNeeded: place)
    }
    target[byte] = bits
  }
}

@inline(__always)
private func buildTables(
  _ codes: UnsafePointer<UInt8>, shift: UInt8, mask: UInt8, _ target: UnsafeMutablePointer<UInt8>
) {
  for table in 0..<8 {
    for entry in 0..<16 {
      var sum: UInt8 = 0
      for place in 0..<4 where entry &>> place & 1 == 1 {
        sum &+= codes[table &* 4 &+ place] &>> shift & mask
      }
      target[table &* 16 &+ entry] = sum
    }
  }
}
