#include "isa.h"

#include <errno.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace {

std::string selected;

// oldest first, as the library and this program name them, and as oneDNN does. It may use AVX-VNNI where there is one.
struct Isa {
  const char* name;
  const char* onednn;
};
constexpr Isa kIsas[] = {{"portable", "SSE41"}, {"avx2", "AVX2_VNNI"}, {"avx512", "ALL"}};

// As soniq_cpu_isa decides.
bool MachineHas(const std::string& isa) {
  if (isa == "portable") return true;
  if (isa == "avx2") return __builtin_cpu_supports("x86-64-v3");
  return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni");
}

}  // namespace

std::vector<std::string> MeasurableIsas() {
  const char* variable = std::getenv("SONIQ_MAX_ISA");
  const std::string cap = variable == nullptr ? "" : variable;
  std::vector<std::string> measurable;
  for (const Isa& isa : kIsas) {
    if (MachineHas(isa.name)) measurable.push_back(isa.name);
    if (cap == isa.name) break;
  }
  return measurable;
}

void SelectIsa(const std::string& isa) {
  const std::vector<std::string> measurable = MeasurableIsas();
  selected = isa.empty() ? measurable.back() : isa;
  if (std::find(measurable.begin(), measurable.end(), selected) == measurable.end()) {
    std::string list;
    for (const std::string& name : measurable) list += " " + name;
    std::fprintf(stderr, "%s: %s cannot be measured here; this machine and SONIQ_MAX_ISA allow:%s\n", ProgramName(),
                 isa.c_str(), list.c_str());
    std::exit(1);
  }
  const auto* found = std::find_if(std::begin(kIsas), std::end(kIsas), [](const Isa& i) { return i.name == selected; });
  setenv("SONIQ_MAX_ISA", found->name, 1);
  setenv("ONEDNN_MAX_CPU_ISA", found->onednn, 1);
}

const char* ProgramName() { return program_invocation_short_name; }

const std::string& SelectedIsa() { return selected; }
