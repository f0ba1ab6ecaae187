import SoniqCore

/// Choosing a kernel by what kernels cost.
extension MatmulKernelRegistry {
  /// A kernel that may run, with its cost; nil when neither it nor a row like it was measured.
  fileprivate struct Candidate {
    let kernel: MatmulKernel
    let cost: UInt32?
    let isMeasured: Bool
  }

  /// The cheapest kernel for a shape.
  ///
  /// A kernel that the profile does not have is taken to be a tenth cheaper than the row before it that takes the
  /// same weights in the same form, as the order of the registry says; without such a row it is chosen only when
  /// nothing measured accepts the level.
  ///
  /// - Parameters:
  ///   - shape: what is to be multiplied.
  ///   - available: what the CPU has that will call the kernels, and no cap forbids.
  ///   - profile: what the kernels cost there.
  /// - Returns: the kernel, and why others were refused.
  package static func choice(
    _ shape: MatmulShape, on available: Capabilities, profile: KernelProfile
  ) -> MatmulChoice {
    let candidates = candidates(shape, on: available, profile)
    var chosen = Candidate(kernel: reference, cost: nil, isMeasured: false)
    let call = shape.hasCompanion ? shape.callCost : 0
    for candidate in candidates where candidate.isBetter(than: chosen, callCost: call) { chosen = candidate }
    var refusals = candidates.compactMap { $0.refusal(besides: chosen) }
    for kernel in faster where kernel.accepts(shape) {
      if let lack = kernel.row.lack(on: available) { refusals.append("\(kernel.name): \(lack)") }
    }
    return MatmulChoice(
      kernel: chosen.kernel, cost: chosen.cost,
      eightBitCost: cheapestEightBit(shape, on: available, profile), refusals: refusals)
  }

  private static func candidates(
    _ shape: MatmulShape, on available: Capabilities, _ profile: KernelProfile
  ) -> [Candidate] {
    var candidates: [Candidate] = []
    for kernel in rows where kernel.accepts(shape) && available.runs(kernel.row) {
      if let cost = profile.cost(kernel, shape) {
        candidates.append(Candidate(kernel: kernel, cost: cost, isMeasured: true))
        continue
      }
      let like = candidates.last {
        $0.kernel.instructionSet == kernel.instructionSet && $0.kernel.layouts == kernel.layouts
          && $0.kernel.form == kernel.form
      }
      candidates.append(
        Candidate(kernel: kernel, cost: like?.cost.map { $0 - $0 / 10 }, isMeasured: false))
    }
    return candidates
  }

  /// What 8 bits would cost for the same layer.
  private static func cheapestEightBit(
    _ shape: MatmulShape, on available: Capabilities, _ profile: KernelProfile
  ) -> UInt32? {
    var eight = shape
    (eight.weightBits, eight.layout, eight.activationBits) = (8, .bytes, 8)
    return candidates(eight, on: available, profile).compactMap(\.cost).min()
  }
}

extension MatmulKernelRegistry.Candidate {
  /// Cheaper; or, among kernels of which nothing is known, the later one.
  /// * callCost: what a kernel that fuses no levels costs more.
  fileprivate func isBetter(than other: Self, callCost: UInt32) -> Bool {
    guard let otherCost = other.whole(callCost) else {
      return true
    }
    return whole(callCost).map { $0 < otherCost } ?? false
  }

  private func whole(_ callCost: UInt32) -> UInt32? {
    guard let cost else { return nil }
    return kernel.traits.contains(.fusesLevels) ? cost : UInt32(clamping: UInt64(cost) + UInt64(callCost))
  }

  /// Why this kernel was not taken; nil for the one that was, and for those of other instruction sets.
  fileprivate func refusal(besides chosen: Self) -> String? {
    guard kernel.name != chosen.kernel.name, kernel.instructionSet == chosen.kernel.instructionSet else {
      return nil
    }
    guard let cost, let chosenCost = chosen.cost else { return "\(kernel.name): not measured" }
    let tenths = (Int(cost) * 10 + Int(chosenCost) / 2) / Int(chosenCost)
    return "\(kernel.name): \(tenths / 10).\(tenths % 10) times the time"
      + (isMeasured ? "" : ", by assumption")
  }
}
