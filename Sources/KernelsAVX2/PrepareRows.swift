import CKernelABI

/// Rows one after another in the form that the kernel asks for, with the functions of this module for a row.
@inline(never) func prepareRows(
  _ pointer: UnsafePointer<snq_prepare_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let codes = pointer.pointee.codes, let prepared = pointer.pointee.prepared else { return }
  let channels = Int(pointer.pointee.paddedChannels)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let source = codes + row &* pointer.pointee.codeStride
    let target = prepared + row &* pointer.pointee.preparedStride
    switch Int(pointer.pointee.form) {
    case SNQ_BIT_PLANES: packRow(source, target, pointer)
    case SNQ_TABLES: buildTables(source, target, channels)
    default: buildHalfTables(source, target, channels)
    }
    row &+= 1
  }
}
