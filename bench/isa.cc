#include "isa.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace {

std::string selected;

bool MachineHas(const std::string& isa) {
  if (isa == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return isa == "avx512" && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq") &&
         __builtin_cpu_supports("avx512vbmi");
}

}  // namespace

void SelectIsa(const std::string& isa) {
  if (!MachineHas(isa)) {
    std::fprintf(stderr, "matmul_bench: not an instruction set of this machine (avx2, avx512): %s\n", isa.c_str());
    std::exit(1);
  }
  selected = isa;
  // The rival may use AVX-VNNI where there is one.
  const char* rival = isa == "avx512" ? "ALL" : "AVX2_VNNI";
  setenv("SONIQ_MAX_ISA", isa.c_str(), 1);
  setenv("ONEDNN_MAX_CPU_ISA", rival, 1);
}

const std::string& SelectedIsa() { return selected; }

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  std::string text;
  for (std::string line; text.empty() && std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.compare(0, 10, "model name") == 0 && colon != std::string::npos) text = line.substr(colon + 2);
  }
  return text.empty() ? "unknown" : text;
}
