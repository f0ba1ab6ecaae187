import CKernelABI
import CSIMD

/// Some groups of a panel for one tile of rows.
struct GroupRun {
  /// Signed bytes in the order of the module, 16 a channel.
  var weights: UnsafePointer<UInt8>
  /// In its order too.
  var codes: UnsafePointer<UInt8>
  /// Numbers of a group: [group][16].
  let scales: UnsafePointer<Float>
  let offsets: UnsafePointer<Float>?
  /// `blockGroups` numbers from row to row: what the constant of the weights adds, and Q.
  let starts: UnsafePointer<Int32>
  let sums: UnsafePointer<Float>
  /// y and z, 16 floats a row.
  let totals: UnsafeMutablePointer<Float>
  let parts: UnsafeMutablePointer<Float>
  let groups: Int
  let groupLength: Int
  /// Channels of the last group.
  let lastChannels: Int
  /// Of the first row, and numbers to the next one's. Rows behind `lastRow` are not there, and take its scales.
  let rowScales: UnsafePointer<Float>
  let rowScaleStride: Int
  let lastRow: Int
  /// Groups that share a scale of the row, and those up to the end of the first one.
  let groupsOfScale: Int
  let restOfScale: Int
  /// Its last group is that of the level.
  let endsLevel: Bool
}

extension GroupRun {
  @inline(__always)
  private func rowScale(_ r: Int, _ scale: Int) -> Float {
    rowScales[min(r, lastRow) &* rowScaleStride &+ scale]
  }

  /// y += z * the scale of the row, z = 0.
  @inline(__always)
  private func endScale(_ rows: Int, _ scale: Int) {
    for r in 0..<rows {
      let (total, part) = (totals + 16 &* r, parts + 16 &* r)
      PanelFloats(total).adding(PanelFloats(part), rowScale(r, scale)).store(total)
      PanelFloats().store(part)
    }
  }

  /// Ends group `group`: z += I * s + Q * d, or y += the same * scale of the row.
  @inline(__always)
  private func end(_ tile: TileSums, _ group: Int, isDirect: Bool, _ scale: Int) {
    let scales = PanelFloats(scales + 16 &* group)
    tile.forEach { dots, r in
      let part = parts + 16 &* r
      var z = (isDirect ? PanelFloats() : PanelFloats(part)).adding(dots, scales)
      if let offsets {
        z = z.adding(PanelFloats(offsets + 16 &* group), sums[r &* blockGroups &+ group])
      }
      if isDirect {
        let total = totals + 16 &* r
        PanelFloats(total).adding(z, rowScale(r, scale)).store(total)
      } else {
        z.store(part)
      }
    }
  }

  /// All groups; rows and whether every group has a scale of the row are literals, and `dots` makes I of a group.
  @inline(__always)
  func multiply(
    _ rows: Int, isDirect: Bool, codeStep: Int,
    _ dots: (_ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int, _ group: Int) ->
      TileSums
  ) {
    var (weights, codes) = (weights, codes)
    var (group, scale, restOfScale) = (0, 0, restOfScale)
    repeat {
      let isLast = group &+ 1 == groups
      let channels = isLast ? lastChannels : groupLength
      end(dots(weights, codes, channels, group), group, isDirect: isDirect, scale)
      restOfScale &-= 1
      if isDirect {
        scale &+= 1
      } else if restOfScale == 0 || (isLast && endsLevel) {
        endScale(rows, scale)
        scale &+= 1
        restOfScale = groupsOfScale
      }
      weights += 16 &* groupLength
      codes += codeStep
      group &+= 1
    } while group < groups
  }
}
