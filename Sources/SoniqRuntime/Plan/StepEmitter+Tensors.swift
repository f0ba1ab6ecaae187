import CKernelABI
import SoniqGraph
import SoniqKernels
import SoniqOperators

extension StepEmitter {
  func emitTensor(_ step: ScheduledStep, _ operation: TensorOperation) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let memory = memory
    let factory = OperatorFactory(
      graph,
      kernels: OperatorKernels(
        activation: kernels.activation.function, floatMatmul: kernels.matrices.floatMatmul.function),
      store: { (numbers) throws(RuntimeError) in UnsafePointer(try memory.store(numbers)) })
    let tensor = TensorStep(
      work: try factory.make(node: step.nodes[0]), inputs: UnsafePointer(try memory.store(step.reads)),
      inputCount: step.reads.count,
      output: step.writes[0])
    var description = describe(step, operation.name, "portable")
    if case .matmul = operation {
      description = describe(step, operation.name, kernels.matrices.floatMatmul)
    }
    return (.tensor(try memory.store(tensor)), description)
  }
}

extension TensorOperation {
  /// What reports say.
  var name: String {
    switch self {
    case .constant: "tensor.constant"
    case .unary: "tensor.unary"
    case .binary: "tensor.binary"
    case .select: "tensor.select"
    case .cast: "tensor.cast"
    case .transpose: "tensor.transpose"
    case .reshape: "tensor.reshape"
    case .expand: "tensor.expand"
    case .concatenate: "tensor.concatenate"
    case .slice: "tensor.slice"
    case .pad: "tensor.pad"
    case .gather: "tensor.gather"
    case .reduce: "tensor.reduce"
    case .softmax: "tensor.softmax"
    case .cumulate: "tensor.cumulate"
    case .argument: "tensor.argument"
    case .matmul: "tensor.matmul"
    case .pool: "tensor.pool"
    case .resize: "tensor.resize"
    case .foldTaps: "tensor.foldTaps"
    }
  }
}
