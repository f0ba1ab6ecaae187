#include "conv_problem.h"
#include "isa.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace {

bool IsSound(const Convolution& c) {
  return c.channels > 0 && c.size > 0 && c.outputs > 0 && c.kernel > 0 && c.stride > 0 && c.padding >= 0 &&
         c.groups > 0 && c.occurrences > 0 && c.channels % c.groups == 0 && c.outputs % c.groups == 0 &&
         c.size + 2 * c.padding >= c.kernel;
}

}  // namespace

std::string Convolution::Name() const {
  std::ostringstream name;
  name << channels << 'x' << size << 'x' << size << '-' << outputs << '-' << kernel << 'x' << kernel << "-s" << stride;
  if (groups > 1) name << "-g" << groups;
  return name.str();
}

double Convolution::Products() const {
  const double pixels = double(output_size()) * double(output_size());
  return pixels * double(outputs) * double(channels / groups) * double(kernel * kernel);
}

std::vector<Convolution> ReadConvolutions(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "%s: cannot read %s\n", ProgramName(), path.c_str());
    std::exit(1);
  }
  std::vector<Convolution> result;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    number++;
    std::istringstream words(line.substr(0, line.find('#')));
    Convolution c{};
    if (!(words >> c.channels)) continue;
    words >> c.size >> c.outputs >> c.kernel >> c.stride >> c.padding >> c.groups >> c.occurrences;
    if (!words || !IsSound(c)) {
      std::fprintf(stderr, "%s: %s:%d is not a convolution\n", ProgramName(), path.c_str(), number);
      std::exit(1);
    }
    result.push_back(c);
  }
  return result;
}
