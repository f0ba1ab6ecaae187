import CKernelABI
import Glibc
import SoniqKernels

/// A kernel for scales per group and the one for one scale an output that it is measured against.
struct GroupComparison {
  /// How a matrix is grouped.
  struct Form {
    var groupLength: Int
    var scaleType = UInt32(SNQ_GROUP_FLOAT16)
    var rowGroupLength = 0
    var hasRowScale = false
    var hasOffsets = false

    var name: String {
      let type = ["", "f32", "f16", "u8"][Int(scaleType)]
      let rows = hasRowScale ? "row" : "\(max(groupLength, rowGroupLength))"
      return "g\(groupLength) \(type)\(hasOffsets ? "+offsets" : "") a:\(rows)"
    }
  }

  let plain: MatmulKernel
  let grouped: GroupMatmulKernel

  let bits: Int

  /// Those of the same module for the same weights. Every grouped kernel that this CPU runs has one.
  static let all: [GroupComparison] = GroupMatmulRegistry.faster.compactMap { grouped in
    guard Capabilities.detected().runs(grouped.row), let layout = grouped.layouts.first else { return nil }
    let bits = layout == .nibbles ? 4 : 8
    guard
      let plain = MatmulKernelRegistry.faster.first(where: {
        $0.requires == grouped.row.requires && $0.form == .codes && $0.weightBits.contains(bits)
      })
    else { fatalError("no kernel with one scale an output to compare \(grouped.name) with") }
    return GroupComparison(plain: plain, grouped: grouped, bits: bits)
  }

  /// Seconds of CPU time of both for one multiplication, the medians of `rounds` turns.
  func measure(_ problem: GroupProblem, _ form: Form, rounds: Int) -> (plain: Double, grouped: Double) {
    var plainArguments = problem.plain
    var groupArguments = problem.grouped(form)
    let (rows, panels) = (UInt32(problem.rows), UInt32(problem.panels))
    let (plain, grouped) = (plain.row.function, grouped.row.function)
    let first = seconds(calls: 1) { plain(&plainArguments, 0, rows, 0, panels) }
    let calls = max(1, Int(0.02 / max(first, 1e-7)))
    var (plainTimes, groupTimes): ([Double], [Double]) = ([], [])
    for _ in 0..<rounds {
      plainTimes.append(seconds(calls: calls) { plain(&plainArguments, 0, rows, 0, panels) })
      groupTimes.append(seconds(calls: calls) { grouped(&groupArguments, 0, rows, 0, panels) })
    }
    return (plainTimes.sorted()[rounds / 2], groupTimes.sorted()[rounds / 2])
  }

  /// CPU time of this process: others on the machine take the time of the wall, though also caches and clock.
  private func seconds(calls: Int, _ body: () -> Void) -> Double {
    let start = Self.processTime()
    for _ in 0..<calls { body() }
    return (Self.processTime() - start) / Double(calls)
  }

  private static func processTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
