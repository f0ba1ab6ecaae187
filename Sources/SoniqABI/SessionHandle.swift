import CSoniq
import SoniqMemory
import SoniqRuntime

/// Behind a soniq_session. Keeps the model's handle, and so its text, alive.
final class SessionHandle: ExclusiveHandle {
  override class var tag: UInt64 { 0x016e_6f69_7373_6573 }  // "session\1"
  override class var name: String { "session" }

  let model: ModelHandle
  let session: Session
  private let texts: TextStore
  let kernelReports: [soniq_kernel_report]
  /// By state.
  let stateNames: [UnsafePointer<CChar>?]
  /// Text only; the numbers are read when they are asked for.
  private let profileTexts: [soniq_profile_entry]
  /// Whether the last run succeeded and no input was set since.
  var hasOutputs = false
  var runCount: UInt64 = 0

  init(_ model: ModelHandle, options: SessionOptions, log: Log) throws(Failure) {
    self.model = model
    try options.checkLimits(model.model.symbols)
    do throws(RuntimeError) {
      session = try Session(model.model, options: options)
    } catch { throw Failure(error, nodeName: model.nodeName) }
    texts = TextStore(model.arena)
    var reports: [soniq_kernel_report] = []
    for entry in session.kernelReport { reports.append(try soniq_kernel_report(entry, texts: texts)) }
    kernelReports = reports
    var names: [UnsafePointer<CChar>?] = []
    for state in 0..<session.states.count { names.append(try texts.keep(session.states.info(state).name)) }
    stateNames = names
    var entries: [soniq_profile_entry] = []
    for entry in session.profile { entries.append(try soniq_profile_entry(entry, texts: texts)) }
    profileTexts = entries
    super.init()
    for entry in session.kernelReport {
      log.write(SONIQ_LOG_INFO, "\(entry.node): \(entry.operation) \(entry.level) by \(entry.kernel)")
      for refusal in entry.refusals { log.write(SONIQ_LOG_DEBUG, "\(entry.node): refused \(refusal)") }
    }
  }

  var profileCount: Int { profileTexts.count }

  func profileEntry(_ index: UInt32) throws(Failure) -> soniq_profile_entry {
    let profile = session.profile
    guard index < profileTexts.count, index < profile.count else {
      throw .index(index, of: "step", count: profileTexts.count)
    }
    var entry = profileTexts[Int(index)]
    entry.nanoseconds = profile[Int(index)].nanoseconds
    entry.rows = profile[Int(index)].rows
    entry.multiply_accumulates = profile[Int(index)].multiplyAccumulates
    return entry
  }
}

extension soniq_kernel_report {
  init(_ entry: KernelReportEntry, texts: TextStore) throws(Failure) {
    self.init()
    isa = instructionSetConstant(entry.instructionSet)
    node = try texts.keep(entry.node)
    operation = try texts.keep(entry.operation)
    level = try texts.keep(entry.level)
    kernel = try texts.keep(entry.kernel)
    refusals = try texts.keep(entry.refusals.joined(separator: "\n"))
    copied_weight_bytes = UInt64(clamping: entry.copiedWeightBytes)
  }
}

extension soniq_profile_entry {
  init(_ entry: ProfileEntry, texts: TextStore) throws(Failure) {
    self.init()
    name = try texts.keep(entry.name)
    operation = try texts.keep(entry.operation)
    level = try texts.keep(entry.level)
    kernel = try texts.keep(entry.kernel)
  }
}
