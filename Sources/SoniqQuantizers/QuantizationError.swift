/// Why codes, scales or weights cannot become a packed matrix or table.
package enum QuantizationError: Error, Sendable, Hashable {
  /// Arrays of the caller.
  package enum Field: String, Sendable, Hashable {
    case weights, codes, scales, offsets, bias, importance, gather, scatter, levels, blockLength,
      secondMoments
  }
  /// A size that the other sizes determine is different, or not positive.
  case size(Field, got: Int, expected: Int)
  /// The level has a bit width, zero or scale outside its range.
  case invalidLevel(index: Int)
  /// A code does not fit the level's bits; `index` counts row-major.
  case codeOutOfRange(level: Int, index: Int, code: Int)
  /// A number is NaN or infinite, or a scale is negative; `index` counts row-major.
  case invalidNumber(Field, index: Int)
  /// The gather or scatter map is not a permutation; `position` is the first wrong entry.
  case notAPermutation(Field, position: Int)
  /// The int32 dot product of so many channels could overflow at this level.
  case tooManyChannels(level: Int, got: Int, limit: Int)
  /// A size leaves the address space.
  case tooLarge
}
