package import SoniqCore

/// Owns the memory of constants while a model is put together; goes into `ModelDescription.owner`.
///
/// One thread at a time. The bytes live exactly as long as the store.
package final class ConstantStore {
  private var buffers: [AlignedBuffer] = []

  package init() {}

  /// Copies elements into new memory, padded with zeros to `paddedCount` elements.
  package func store<T: BitwiseCopyable>(_ elements: [T], paddedTo paddedCount: Int? = nil) -> ConstantBytes {
    let count = max(elements.count, paddedCount ?? 0)
    return keep(AlignedBuffer(copying: elements, paddedTo: count))
  }

  /// Takes over a buffer that the caller filled.
  package func keep(_ buffer: AlignedBuffer) -> ConstantBytes {
    buffers.append(buffer)
    return ConstantBytes(buffer)
  }
}
