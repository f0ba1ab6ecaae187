import CSoniq
import SoniqMemory
import SoniqRuntime

/// Behind a soniq_sequence. Keeps the model's handle alive.
final class SequenceHandle: ExclusiveHandle {
  override class var tag: UInt64 { 0x0165_636e_6575_7173 }  // "squence\1"
  override class var name: String { "sequence" }

  let model: ModelHandle
  let sequence: Sequence

  init(_ model: ModelHandle, _ options: SequenceOptions) throws(Failure) {
    self.model = model
    do throws(RuntimeError) {
      sequence = try Sequence(model.model, capacity: options.capacity, allocator: options.allocator)
    } catch { throw Failure(error, nodeName: model.nodeName) }
    super.init()
  }

  /// Does something with the sequence while no other thread is inside.
  func run(_ body: (Sequence) throws(RuntimeError) -> Void) throws(Failure) {
    try exclusively { () throws(Failure) in
      do throws(RuntimeError) { try body(sequence) } catch { throw Failure(error, nodeName: model.nodeName) }
    }
  }
}

/// The options of a sequence, checked.
struct SequenceOptions {
  let capacity: Int
  let allocator: AllocatorHooks?

  init(_ pointer: UnsafePointer<soniq_sequence_options>?) throws(Failure) {
    let read = try VersionedStruct.read(pointer, defaults: soniq_sequence_options(), "options")
    let options = read ?? soniq_sequence_options()
    capacity = Int(clamping: options.capacity)
    allocator = try AllocatorHooks.read(options.allocator)
  }
}
