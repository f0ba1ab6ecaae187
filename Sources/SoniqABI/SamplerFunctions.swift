public import CSoniq
import SoniqDecoding

/// `soniq_sampler_create` of soniq.h.
@_cdecl("soniq_sampler_create") @implementation
public func soniq_sampler_create(
  _ sampler: UnsafeMutablePointer<OpaquePointer?>?, _ vocabulary: UInt32,
  _ options: UnsafePointer<soniq_sampler_options>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let sampler = try clear(sampler, "sampler")
    let read = try VersionedStruct.read(options, defaults: soniq_sampler_options(), "options")
    let options = read ?? soniq_sampler_options()
    try reserve(Reserve.sampler(biases: Int(options.bias_count)))
    sampler.pointee = try SamplerHandle(vocabulary: vocabulary, options).retained()
  }
}

/// `soniq_sampler_destroy` of soniq.h.
@_cdecl("soniq_sampler_destroy") @implementation
public func soniq_sampler_destroy(_ sampler: OpaquePointer?) { SamplerHandle.release(sampler) }

/// `soniq_sampler_sample` of soniq.h.
@_cdecl("soniq_sampler_sample") @implementation
public func soniq_sampler_sample(
  _ sampler: OpaquePointer?, _ logits: UnsafePointer<Float>?, _ count: Int,
  _ allowed: UnsafePointer<UInt32>?, _ token: UnsafeMutablePointer<Int32>?,
  _ logProbability: UnsafeMutablePointer<Float>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let token = try clear(token, "token", to: 0)
    let wanted = logProbability == nil ? nil : try clear(logProbability, "log_probability", to: 0)
    let handle = try SamplerHandle.borrow(sampler)
    guard let logits else { throw .null("logits") }
    guard UInt(bitPattern: logits) % 4 == 0 else { throw .argument("logits", "is not aligned") }
    guard UInt(bitPattern: allowed) % 4 == 0 else { throw .argument("allowed", "is not aligned") }
    try handle.exclusively { () throws(Failure) in
      // A size_t beyond Int is no vocabulary either.
      let numbers = UnsafeBufferPointer(start: logits, count: count < 0 ? Int.max : count)
      do throws(SamplerError) {
        token.pointee = try handle.sampler.sample(numbers, allowed: allowed)
      } catch { throw Failure(error) }
      wanted?.pointee = handle.sampler.logProbability(of: token.pointee, numbers)
    }
  }
}

/// `soniq_sampler_accept` of soniq.h.
@_cdecl("soniq_sampler_accept") @implementation
public func soniq_sampler_accept(
  _ sampler: OpaquePointer?, _ tokens: UnsafePointer<Int32>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SamplerHandle.borrow(sampler)
    guard count != 0 else { return }
    guard let tokens else { throw .null("tokens") }
    guard UInt(bitPattern: tokens) % 4 == 0 else { throw .argument("tokens", "is not aligned") }
    guard count > 0 else { throw .argument("count", "is larger than memory") }
    try handle.exclusively { () throws(Failure) in
      do throws(SamplerError) {
        try handle.sampler.accept(UnsafeBufferPointer(start: tokens, count: count))
      } catch { throw Failure(error) }
    }
  }
}

/// `soniq_sampler_reset` of soniq.h.
@_cdecl("soniq_sampler_reset") @implementation
public func soniq_sampler_reset(
  _ sampler: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SamplerHandle.borrow(sampler)
    try handle.exclusively { () throws(Failure) in handle.sampler.reset() }
  }
}
