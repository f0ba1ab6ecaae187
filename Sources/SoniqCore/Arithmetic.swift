/// `value` rounded up to a multiple of `step` (> 0), or nil when that leaves Int.
@inlinable
package func roundedUp(_ value: Int, to step: Int) -> Int? {
  let (sum, overflow) = value.addingReportingOverflow(step - 1)
  return overflow || value < 0 ? nil : sum / step * step
}

/// The product of two non-negative factors, or nil when it leaves Int or a factor is negative. This form and
/// the next allocate nothing: a variadic call makes an array.
@inlinable
package func checkedProduct(_ left: Int, _ right: Int) -> Int? {
  let (product, overflow) = left.multipliedReportingOverflow(by: right)
  return overflow || left < 0 || right < 0 ? nil : product
}

/// The product of three non-negative factors, or nil when it leaves Int or a factor is negative.
@inlinable
package func checkedProduct(_ first: Int, _ second: Int, _ third: Int) -> Int? {
  guard third >= 0, let product = checkedProduct(first, second) else { return nil }
  return checkedProduct(product, third)
}

/// The product of non-negative factors, or nil when it leaves Int or a factor is negative.
@inlinable
package func checkedProduct(_ factors: Int...) -> Int? {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    if overflow || factor < 0 { return nil }
    product = next
  }
  return product
}
