import CKernelABI
import SoniqGraph
import SoniqKernels
import SoniqOperators

extension StepEmitter {
  /// One function of each element, by rows.
  func emitUnary(_ step: ScheduledStep, _ function: UnaryFunction) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    var arguments = snq_activation_args()
    let form = function.form
    arguments.kind = UInt32(form.kind)
    arguments.alpha = form.alpha
    arguments.beta = form.beta
    arguments.channels = channels(step.writes[0])
    let activation = ActivationStep(
      function: kernels.activation.function, arguments: arguments, input: step.reads[0],
      output: step.writes[0])
    return (
      .activation(try memory.store(activation)), describe(step, "tensor." + form.name, kernels.activation)
    )
  }

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

extension UnaryFunction {
  /// The kind and the numbers of the activation kernels, and what reports say.
  var form: (kind: Int, alpha: Float, beta: Float, name: String) {
    switch self {
    case .leakyRelu(let alpha): (SNQ_LEAKY_RELU, alpha, 0, "leakyRelu")
    case .clip(let low, let high): (SNQ_CLIP, low, high, "clip")
    case .hardSigmoid(let alpha, let beta): (SNQ_HARD_SIGMOID, alpha, beta, "hardSigmoid")
    case .hardSwish: (SNQ_HARD_SWISH, 0, 0, "hardSwish")
    case .elu(let alpha): (SNQ_ELU, alpha, 0, "elu")
    case .softplus: (SNQ_SOFTPLUS, 0, 0, "softplus")
    case .mish: (SNQ_MISH, 0, 0, "mish")
    case .absolute: (SNQ_ABSOLUTE, 0, 0, "absolute")
    case .negative: (SNQ_NEGATIVE, 0, 0, "negative")
    case .reciprocal: (SNQ_RECIPROCAL, 0, 0, "reciprocal")
    case .squareRoot: (SNQ_SQUARE_ROOT, 0, 0, "squareRoot")
    case .exponential: (SNQ_EXPONENTIAL, 0, 0, "exponential")
    case .logarithm: (SNQ_LOGARITHM, 0, 0, "logarithm")
    case .erf: (SNQ_ERF, 0, 0, "erf")
    case .floor: (SNQ_FLOOR, 0, 0, "floor")
    case .ceiling: (SNQ_CEILING, 0, 0, "ceiling")
    case .round: (SNQ_ROUND, 0, 0, "round")
    case .sign: (SNQ_SIGN, 0, 0, "sign")
    case .not: (0, 0, 0, "not")  // Of int32: a tensor step.
    }
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
