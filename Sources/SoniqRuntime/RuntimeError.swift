package import SoniqGraph
import SoniqKernels

/// Why the runtime refused. Carries the place and the numbers; `message` puts them into words.
package struct RuntimeError: Error, Sendable {
  /// The kinds of refusal, one for each thing a caller may want to react to.
  package enum Code: UInt8, Sendable, Hashable, CaseIterable {
    /// The graph of the model is not valid; `graphError` says where.
    case invalidGraph
    /// An instruction set cap names none of this architecture.
    case unknownInstructionSet
    /// An option is out of its range; `subject` names it, `actual` is its value, `expected` the largest or 0.
    case invalidOption
    /// No input or output has the index `actual`; there are `expected`.
    case noSuchInput
    case noSuchOutput
    /// The input's element type is not what the model wants.
    case wrongElementType
    /// The input has `actual` dimensions instead of `expected`.
    case wrongRank
    /// Dimension `position` of the input is `actual` instead of `expected`.
    case wrongDimension
    /// Dimension `position` of the input is `actual`, more than the session's maximum `expected`.
    case dimensionTooLarge
    /// The same, but the model allows it, and the options say nothing of this size.
    case dimensionNotPlanned
    /// The sizes in `subject` are each within their maximum, but too much together for this session.
    case sizesTooLarge
    /// Dimension `position` of the input is `actual`, but another input says `expected`.
    case dimensionConflict
    /// The size `subject`, which follows from those of the inputs as `other` says, would be `actual`, outside
    /// 1...`expected`.
    case sizeOutOfRange
    /// The size `subject` is `actual`, but must be what `other` says, which is `expected`.
    case sizesDiffer
    /// The slice `subject` begins at `actual` of a dimension of `expected`, and leaves it.
    case sliceOutOfRange
    /// A required input was not set.
    case inputMissing
    /// An id at flat `position` of the input is `actual`, outside 0..<`expected`.
    case idOutOfRange
    /// The number at flat `position` of the input is `actual`, which int32 does not hold.
    case numberOutOfRange
    /// A pointer is null.
    case nullPointer
    /// The output is asked for before a run, or after an input changed.
    case outputNotReady
    /// Memory could not be had; `actual` bytes were asked for.
    case outOfMemory
    /// The host's allocator gave memory that is not aligned to `actual` bytes.
    case misalignedAllocator
    /// The workspace cannot be addressed with these maxima.
    case workspaceTooLarge
    /// The host's workspace has `actual` bytes, `expected` are needed.
    case workspaceTooSmall
    /// The host's workspace is not aligned to 64 bytes.
    case workspaceMisaligned
    /// A thread could not be started; `actual` is the system's error number.
    case threadFailed
    /// The host's parallel_for returned `actual`, not 0. The outputs are not ready.
    case hostParallelForFailed
    /// Dimension `position` of the state is `actual` in this run, but `expected` in the runs since the start.
    case stateSizeDiffers
    /// The state has `position` positions, with those of this run `actual`, and room for `expected`.
    case capacityExceeded
    /// The model is no decoder; `subject` says why.
    case notADecoder
    /// States that a run replaces cannot be truncated; or there are none to truncate.
    case cannotTruncate
    /// What was to become the states is not what a session of this model has written; `subject` says why.
    case invalidStates
    /// The states were written by a session of another model.
    case statesOfAnotherModel
    /// What the caller gave has the wrong size or stride; `subject` names it.
    case invalidArgument
  }
  package var code: Code
  /// The input, output, node or option that it is about; empty when there is none.
  package var subject: String
  /// The other input of two that do not fit together.
  package var other = ""
  /// Index of the node, when one is to blame.
  package var node: Int?
  package var position: Int
  package var actual: Int
  package var expected: Int
  package var graphError: GraphError?

  package init(
    _ code: Code, subject: String = "", node: Int? = nil, position: Int = 0, actual: Int = 0,
    expected: Int = 0, graphError: GraphError? = nil
  ) {
    self.code = code
    self.subject = subject
    self.node = node
    self.position = position
    self.actual = actual
    self.expected = expected
    self.graphError = graphError
  }
}

extension RuntimeError: CustomStringConvertible {
  package var description: String { message }

  /// "portable, avx2 or avx512".
  private var instructionSets: String {
    let names = InstructionSet.allCases.map(\.name)
    return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
  }

  /// One sentence in plain words, without a final stop.
  package var message: String {
    switch code {
    case .invalidGraph: graphError?.message ?? "the graph of the model is not valid"
    case .unknownInstructionSet:
      "\"\(subject)\" (SONIQ_MAX_ISA or the option) is no instruction set here: use \(instructionSets)"
    case .invalidOption:
      "option \(subject) is \(actual), which is out of its range"
        + (expected > 0 ? ": at most \(expected)" : "")
    case .noSuchInput: "there is no input \(actual): the model has \(expected)"
    case .noSuchOutput: "there is no output \(actual): the model has \(expected)"
    case .wrongElementType, .wrongRank, .wrongDimension, .dimensionTooLarge, .dimensionNotPlanned,
      .dimensionConflict, .inputMissing, .idOutOfRange, .numberOutOfRange:
      inputMessage
    case .sizeOutOfRange, .sizesDiffer, .sliceOutOfRange: sizeMessage
    case .sizesTooLarge:
      "\(subject) together need more memory than the session has planned: name them in its size limits"
    case .nullPointer: "the pointer for \"\(subject)\" is null"
    case .outputNotReady: "output \"\(subject)\" is not ready: run the session after setting its inputs"
    case .outOfMemory: "no memory: \(actual) bytes were asked for"
    case .misalignedAllocator:
      "the host's allocator gave memory that is not aligned to \(actual) bytes"
    case .workspaceTooLarge: "the workspace for these maximum sizes is too large to address"
    case .workspaceTooSmall: "the workspace has \(actual) bytes, \(expected) are needed"
    case .workspaceMisaligned: "the workspace is not aligned to 64 bytes"
    case .threadFailed: "a thread could not be started (system error \(actual))"
    case .hostParallelForFailed: "the host's parallel_for returned \(actual)"
    case .notADecoder: "the model is no decoder: \(subject)"
    case .stateSizeDiffers, .capacityExceeded, .cannotTruncate, .invalidStates, .statesOfAnotherModel:
      stateMessage
    case .invalidArgument: "\(subject) is \(actual), \(expected) is needed"
    }
  }

  private var sizeMessage: String {
    switch code {
    case .sizesDiffer:
      "the size \"\(subject)\" is \(actual), but the model needs it to be \(other)"
        + (other == "\(expected)" ? "" : ", which is \(expected)")
    case .sliceOutOfRange:
      "node \"\(subject)\" cuts dimension \(position) from element \(actual) on beyond its size \(expected)"
    default:
      if actual < 1 {
        "the inputs are too small: the size \"\(subject)\"\(otherWords) would be \(actual)"
      } else {
        "the inputs are too large: the size \"\(subject)\"\(otherWords) would be \(actual), the session allows at most \(expected)"
      }
    }
  }

  private var otherWords: String { other == subject ? "" : " = \(other)" }

  private var stateMessage: String {
    switch code {
    case .stateSizeDiffers:
      "dimension \(position) of state \"\(subject)\" is \(actual) in this run, but \(expected) in the runs "
        + "before: reset the session first"
    case .capacityExceeded:
      "state \"\(subject)\" has \(position) positions and room for \(expected), with this run it would have "
        + "\(actual)"
    case .cannotTruncate:
      subject.isEmpty
        ? "the model has no states that grow"
        : "state \"\(subject)\" is replaced by every run, so that the states cannot be truncated"
    case .statesOfAnotherModel: "the states were written by a session of another model"
    default: "these bytes are no states of this session: \(subject)"
    }
  }

  private var inputMessage: String {
    switch code {
    case .wrongElementType: "input \"\(subject)\" has the wrong element type"
    case .wrongRank: "input \"\(subject)\" has \(actual) dimensions, the model wants \(expected)"
    case .wrongDimension:
      "dimension \(position) of input \"\(subject)\" is \(actual), the model wants \(expected)"
    case .dimensionTooLarge:
      "dimension \(position) of input \"\(subject)\" is \(actual), the session allows at most \(expected) (its own "
        + "maximum, or the file's, which soniq-pack pack --maximum sets)"
    case .dimensionNotPlanned:
      "dimension \(position) of input \"\(subject)\" is \(actual), the session is planned for at most \(expected): "
        + "name the size in its size limits"
    case .dimensionConflict:
      "dimension \(position) of input \"\(subject)\" is \(actual), but input \"\(other)\" has \(expected)"
    case .inputMissing: "input \"\(subject)\" was not set"
    case .numberOutOfRange:
      "element \(position) of input \"\(subject)\" is \(actual), which a 32-bit integer does not hold"
    default:
      "element \(position) of input \"\(subject)\" is \(actual), outside 0..<\(expected)"
        + (node.map { " (node \($0))" } ?? "")
    }
  }
}
