import CPlatform
import SoniqCore
package import SoniqKernels

/// Measures what the matrix kernels cost on this machine.
package struct Calibration {
  /// What kernels to measure may require, no more than the CPU has; the portable reference apart: nothing competes
  /// with it.
  package var available: Capabilities
  package var sizes: [KernelProfile.Size] = Self.sizes
  /// Times that every kernel is measured, all of them in turns; the median counts.
  package var rounds = 5
  /// Nanoseconds of one measurement, at least.
  package var nanoseconds: UInt64 = 400_000

  /// Sizes of layers from a part of a small model's to a large model's, windows of convolutions among them; no channels
  /// that a layout would pad.
  package static let sizes: [KernelProfile.Size] = [
    .init(channels: 64, outputs: 16), .init(channels: 64, outputs: 64), .init(channels: 64, outputs: 1536),
    .init(channels: 288, outputs: 16), .init(channels: 288, outputs: 32), .init(channels: 576, outputs: 64),
    .init(channels: 384, outputs: 384), .init(channels: 384, outputs: 1536),
    .init(channels: 1152, outputs: 128), .init(channels: 1536, outputs: 384),
    .init(channels: 1024, outputs: 4096), .init(channels: 4096, outputs: 4096),
  ]

  package init(available: Capabilities) { self.available = available }

  /// - Parameters:
  ///   - machine: the name to write into the profile.
  ///   - progress: called with what is done and what there is.
  /// - Returns: costs of all kernels that may be measured.
  package func run(machine: String, progress: (Int, Int) -> Void) -> KernelProfile {
    let subjects = CalibrationSubject.all(on: available)
    let classes = RowClass.allCases
    var costs = [KernelProfile.Key: [UInt32]](
      uniqueKeysWithValues: subjects.map {
        ($0.key, [UInt32](repeating: 0, count: classes.count * sizes.count))
      })
    var done = 0
    let total = classes.count * sizes.count
    for (sizeIndex, size) in sizes.enumerated() {
      let bench = MatmulBench(size, rows: classes.map(\.representative).max() ?? 1)
      for rows in classes {
        progress(done, total)
        for (subject, cost) in zip(subjects, measure(subjects, bench, rows)) {
          costs[subject.key]?[rows.rawValue * sizes.count + sizeIndex] = cost
        }
        done += 1
      }
    }
    progress(total, total)
    return KernelProfile(machine: machine, sizes: sizes, costs: costs)
  }

  private func measure(
    _ subjects: [CalibrationSubject], _ bench: MatmulBench, _ rows: RowClass
  ) -> [UInt32] {
    var times = [[UInt64]](repeating: [], count: subjects.count)
    for _ in 0..<rounds {
      for (index, subject) in subjects.enumerated() {
        times[index].append(bench.picoseconds(subject, rows.representative, atLeast: nanoseconds))
      }
    }
    return zip(subjects, times).map { subject, samples in
      let median = samples.sorted()[samples.count / 2]
      let products = UInt64(subject.products(bench.size, rows: rows.representative))
      return UInt32(min(1_000_000_000, max(1, median * 1000 / max(1, products))))
    }
  }
}
