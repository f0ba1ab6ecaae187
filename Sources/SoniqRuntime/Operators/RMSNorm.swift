import CKernelABI
import SoniqCore
import SoniqGraph

extension RMSNorm: RowNorm {
  func arguments(_ constants: [Constant]) -> snq_layer_norm_args? {
    guard case .dense(let gamma) = constants[gamma] else { return nil }
    var arguments = snq_layer_norm_args()
    arguments.gamma = gamma.bytes.bound(to: Float.self).baseAddress
    arguments.epsilon = epsilon
    arguments.keepsMean = 1
    return arguments
  }
}
