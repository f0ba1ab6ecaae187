#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "engine.h"
#include "isa.h"

namespace {

struct Place {
  size_t row, output;
};

// The corners, and places in between that fall into different tiles.
std::vector<Place> SamplePlaces(const Shape& shape) {
  std::vector<Place> places = {{0, 0}, {shape.rows - 1, shape.outputs - 1}, {shape.rows - 1, 0}, {0, shape.outputs - 1}};
  for (size_t i = 1; i <= 28; i++) places.push_back({i * 7 % shape.rows, i * 61 % shape.outputs});
  return places;
}

// Root mean square of the error over that of the results, for uniform activations; zeros would give 1.
double Tolerance(const Scheme& scheme) {
  int bits = 8;
  for (const Level& level : scheme.levels) bits = std::min(bits, level.activation_bits);
  return bits == 1 ? 0.75 : 1.0 / (1 << bits) * (bits < 8 ? 2 : 8);
}

[[noreturn]] void Fail(const std::string& name, const Place& place, double found, double expected) {
  std::fprintf(stderr, "%s: %s: wrong result: row %zu, output %zu is %.9g, expected %.9g\n", ProgramName(), name.c_str(),
               place.row, place.output, found, expected);
  std::exit(1);
}

void VerifySums(const Engine& engine, const std::string& name) {
  const Problem& problem = engine.problem();
  for (const Place& place : SamplePlaces(problem.shape)) {
    const int64_t found = engine.sums()[place.row * problem.shape.outputs + place.output];
    const int64_t expected = problem.ExpectedSum(place.row, place.output);
    if (found != expected) Fail(name, place, double(found), double(expected));
  }
}

void VerifyResults(const Engine& engine, const std::string& name) {
  const Problem& problem = engine.problem();
  double error = 0, power = 0;
  Place worst{};
  double worst_error = -1, worst_found = 0, worst_expected = 0;
  for (const Place& place : SamplePlaces(problem.shape)) {
    const double found = engine.results()[place.row * problem.shape.outputs + place.output];
    const double expected = problem.ExpectedResult(place.row, place.output);
    const double difference = std::abs(found - expected);
    error += difference * difference;
    power += expected * expected;
    if (!(difference <= worst_error)) {
      worst = place;
      worst_error = difference, worst_found = found, worst_expected = expected;
    }
  }
  if (!(std::sqrt(error / power) <= Tolerance(problem.scheme))) Fail(name, worst, worst_found, worst_expected);
}

}  // namespace

void Verify(Engine& engine, Boundary boundary, const std::string& name) {
  engine.Run(boundary);
  boundary == Boundary::kCodes ? VerifySums(engine, name) : VerifyResults(engine, name);
}
