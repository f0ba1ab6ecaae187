#include "options.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>

Options TakeOptions(Options defaults, int& argc, char** argv) {
  int kept = 1;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const bool is_option = argument.compare(0, 2, "--") == 0 && equals != std::string::npos;
    const auto option = is_option ? defaults.find(argument.substr(2, equals - 2)) : defaults.end();
    if (option == defaults.end()) {
      argv[kept++] = argv[i];
    } else {
      option->second = argument.substr(equals + 1);
    }
  }
  argc = kept;
  return defaults;
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

int Number(const Options& options, const char* name) { return std::atoi(options.at(name).c_str()); }

double ChunkSeconds(const Options& options) { return std::atof(options.at("chunk-milliseconds").c_str()) / 1000; }

bool WritesFile(int argc, char** argv) {
  return std::any_of(argv, argv + argc, [](const char* argument) {
    return std::strncmp(argument, "--benchmark_out=", 16) == 0;
  });
}
