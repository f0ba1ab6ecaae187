import CKernelABI
import SoniqKernels

// Kernels for scales per group against those for one scale an output, of the same module and bits, in turns.
//
// usage: group-bench [rounds [kernel-name-part [shape ...]]]     a shape is ROWSxCHANNELSxOUTPUTS

let forms = [32, 64].flatMap { length in
  [
    GroupComparison.Form(groupLength: length),
    GroupComparison.Form(groupLength: length, hasRowScale: true),
    GroupComparison.Form(groupLength: length, scaleType: UInt32(SNQ_GROUP_UINT8)),
    GroupComparison.Form(groupLength: length, hasOffsets: true),
  ]
}
let arguments = CommandLine.arguments
let rounds = arguments.count > 1 ? Int(arguments[1]) ?? 15 : 15
let namePart = arguments.count > 2 ? arguments[2] : ""
// Many rows; one row whose weights no cache holds.
let shapes = arguments.count > 3 ? Array(arguments[3...]) : ["64x2048x2048", "1x8192x28672"]

print("ratio: speed of the grouped kernel by that of the other; medians of \(rounds) turns, CPU time")
for shape in shapes {
  let sizes = shape.split(separator: "x").compactMap { Int($0) }
  guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 }), sizes[1] % 128 == 0 else {
    print("not a shape, or channels that are no multiple of 128: \(shape)")
    continue
  }
  for bits in [4, 8] {
    let problem = GroupProblem(rows: sizes[0], channels: sizes[1], outputs: sizes[2], bits: bits)
    for comparison in GroupComparison.all
    where comparison.bits == bits && comparison.grouped.name.contains(namePart) {
      for form in forms {
        let times = comparison.measure(problem, form, rounds: rounds)
        let products = Double(sizes[0] * sizes[1] * sizes[2])
        func speed(_ seconds: Double) -> String { "\((products / seconds / 1e8).rounded() / 10)" }
        let ratio = (times.plain / times.grouped * 1000).rounded() / 1000
        print(
          "\(shape) w\(bits) \(form.name): \(ratio)  (\(speed(times.grouped)) of \(speed(times.plain)) GMAC/s)  "
            + comparison.grouped.name)
      }
    }
  }
}
