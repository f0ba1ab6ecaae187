// One function a tile shape and form, because the optimiser stops inlining when a caller grows.

@inline(__always)
private func multiplyRows<Dots: GroupDots, Form: GroupForm>(
  _: Dots.Type, _: Form.Type, _ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory
) {
  if level.pointee.isDirect {
    multiplyDirect(Dots.self, Form.self, level, place, memory)
  } else {
    multiplyParts(Dots.self, Form.self, level, place, memory)
  }
}

@inline(__always)
private func multiplyForm<Form: GroupForm>(
  _: Form.Type, _ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory
) {
  switch place.rows {
  case 6: multiplyRows(RowDots6.self, Form.self, level, place, memory)
  case 5: multiplyRows(RowDots5.self, Form.self, level, place, memory)
  case 4: multiplyRows(RowDots4.self, Form.self, level, place, memory)
  case 3: multiplyRows(RowDots3.self, Form.self, level, place, memory)
  case 2: multiplyRows(RowDots2.self, Form.self, level, place, memory)
  default: multiplyRows(RowDots.self, Form.self, level, place, memory)
  }
}

/// A tile of 1 to 6 rows and up to two panels.
func multiplyTile(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  level.pointee.start(place, memory)
  switch (level.pointee.isNibbles, level.pointee.isPlain) {
  case (true, true): multiplyForm(NibbleForm.self, level, place, memory)
  case (true, false): multiplyForm(EntryForm.self, level, place, memory)
  case (false, true): multiplyForm(ByteForm.self, level, place, memory)
  case (false, false): multiplyForm(DoubledByteForm.self, level, place, memory)
  }
  level.pointee.store(place, memory)
}
