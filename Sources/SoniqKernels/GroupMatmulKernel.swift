package import CKernelABI

package typealias GroupMatmulFunction =
  @convention(c) (
    UnsafePointer<snq_group_matmul_args>?, UInt32, UInt32, UInt32, UInt32
  ) -> Void

/// How the weights of a level with scales per group lie in memory; the bytes are those of group_matmul.h.
package enum GroupLayout: UInt32, Sendable, Hashable, CaseIterable {
  case nibbles = 2
  case planes = 3
  case unsignedBytes = 4

  /// Channels of one 64-byte tile.
  package var tileChannels: Int {
    switch self {
    case .nibbles: 8
    case .planes: 32
    case .unsignedBytes: 4
    }
  }
}

/// What a kernel for scales per group is asked to multiply. Any number of rows, channels and outputs.
package struct GroupMatmulShape: Sendable, Hashable {
  package var layout: GroupLayout
  /// Channels that share a scale; 0: all.
  package var groupLength: Int
  /// Weights are entries of a table, not multiples of their code.
  package var hasCodebook: Bool

  package init(layout: GroupLayout, groupLength: Int, hasCodebook: Bool = false) {
    self.layout = layout
    self.groupLength = groupLength
    self.hasCodebook = hasCodebook
  }
}

/// A matrix kernel for weights with scales per group, and what it accepts.
package struct GroupMatmulKernel: Sendable {
  package var row: KernelRow<GroupMatmulFunction>
  package let layouts: [GroupLayout]
  package let groupLengths: [Int]
  package var takesCodebooks = false
  /// Bytes of `snq_group_matmul_args.scratch` for each group, and for any level.
  package var scratchPerGroup = 0
  package var fixedScratch = 0

  /// Bytes of `snq_group_matmul_args.scratch`, a multiple of 64; 0: it is not used.
  package func scratchBytes(groups: Int) -> Int { fixedScratch + (scratchPerGroup * groups + 63) / 64 * 64 }

  package var name: String { row.name }

  package func accepts(_ shape: GroupMatmulShape) -> Bool {
    layouts.contains(shape.layout) && groupLengths.contains(shape.groupLength)
      && (takesCodebooks || !shape.hasCodebook)
  }
}

/// Every kernel for weights with scales per group, which are listed in `Registry`. All have equal bits.
package enum GroupMatmulRegistry {
  /// Accepts everything: the definition.
  package static let reference = PortableKernels.groupMatmul

  /// Each after those it is faster than.
  package static let faster: [GroupMatmulKernel] = ThisArchitecture.kernels.flatMap(\.groupMatmul)

  package static var rows: [GroupMatmulKernel] { [reference] + faster }

  /// The last kernel that takes the shape and that a machine with these capabilities runs.
  package static func chosen(_ shape: GroupMatmulShape, on available: Capabilities) -> GroupMatmulKernel {
    faster.last { $0.accepts(shape) && available.runs($0.row) } ?? reference
  }
}
