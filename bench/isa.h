// The instruction set that everything in this process may use: SONIQ_MAX_ISA and ONEDNN_MAX_CPU_ISA agree.
#pragma once

#include <string>

// "avx512" or "avx2". Sets both variables; to be called before either library is used. Exits with a message
// for another text, or when this machine has less.
void SelectIsa(const std::string& isa);

// The one in use.
const std::string& SelectedIsa();

inline bool UsesAvx512() { return SelectedIsa() == "avx512"; }

// "AMD EPYC ..." as the machine calls itself.
std::string CpuName();
