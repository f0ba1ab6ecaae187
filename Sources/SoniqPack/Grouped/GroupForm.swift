import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// What codes of a matrix whose groups of channels have scales of their own look like. Below 8 bits groups have a minimum
/// too: in MiniLM groups of 64 with it are smaller and more exact than groups of 32 without.
package struct GroupForm: Sendable, Hashable {
  /// 2 to 8.
  let bits: Int
  /// Channels of a group: 16, 32, 64 or 128.
  let length: Int

  static let bitRange = 2...8

  package init(bits: Int, length: Int = 32) { (self.bits, self.length) = (bits, length) }

  private var hasMinimums: Bool { bits < 8 }
  /// The code of the number 0 without minimums.
  static let zero = 128

  /// * numbers: what scales, and minimums, are in the file.
  func layout(_ numbers: GroupNumber) -> GroupedLayout {
    GroupedLayout(
      code: WeightCode(
        kind: .affine, bits: bits, zero: hasMinimums ? 0 : Self.zero,
        layout: bits > 4 ? .unsignedBytes : nil),
      groupLength: length, numbers: numbers, hasOffsets: hasMinimums)
  }

  var fit: GroupFit { GroupFit(bits: bits, zero: hasMinimums ? nil : Float(Self.zero)) }
}
