// One matrix, packed by one library for one shape, ready to be multiplied.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "problem.h"

enum class Boundary {
  kCodes,  // one-byte activation codes in, int32 sums out
  kFloats  // float rows in, float rows out, quantisation inside
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual bool Has(Boundary boundary) const = 0;
  // Multiplies once. Exits with a message when the library refuses.
  virtual void Run(Boundary boundary) = 0;
  // [rows][outputs] of the last Run.
  virtual const int32_t* sums() const = 0;
  virtual const float* results() const = 0;
  virtual size_t weight_bytes() const = 0;   // as stored, padding included
  virtual std::string kernel() const = 0;    // what the library says it uses
  virtual const Problem& problem() const = 0;
};

std::unique_ptr<Engine> MakeSoniq(const Shape& shape, const Scheme& scheme, int threads);
std::unique_ptr<Engine> MakeOneDnnInt8(const Shape& shape, int threads);
std::unique_ptr<Engine> MakeOneDnnFloat(const Shape& shape, int threads);
std::string OneDnnVersion();

// Runs the engine and compares a sample of the results with plain sums: integers exactly, floats as closely
// as their activations are quantised. Exits with a message when they differ.
void Verify(Engine& engine, Boundary boundary, const std::string& name);
