import SoniqGraph

extension GroupedAttention: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    let form = AttentionForm(
      heads: heads, keyHeads: keyValueHeads, scale: scale, precision: precision, isCausal: isCausal,
      hasBias: hasBias)
    schedule.append(AttentionWork(form: form, isJoined: false), node)
  }
}
