/// The rows and panels of a call.
struct MatmulPart {
  let rowBegin: Int
  let rowEnd: Int
  let panelBegin: Int
  let panelEnd: Int
  var rows: Int { rowEnd &- rowBegin }

  @inline(__always)
  init(_ rowBegin: UInt32, _ rowEnd: UInt32, _ panelBegin: UInt32, _ panelEnd: UInt32) {
    (self.rowBegin, self.panelBegin) = (Int(rowBegin), Int(panelBegin))
    // Not before the beginnings, so that loops may count what is left.
    (self.rowEnd, self.panelEnd) = (max(Int(rowBegin), Int(rowEnd)), max(Int(panelBegin), Int(panelEnd)))
  }
}
