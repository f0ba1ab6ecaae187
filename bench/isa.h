// The instruction set that everything in this process may use: SONIQ_MAX_ISA and ONEDNN_MAX_CPU_ISA agree.
#pragma once

#include <string>
#include <vector>

// Those that can be measured here, oldest first, of "portable", "avx2" and "avx512": what this machine has, up to the
// SONIQ_MAX_ISA that the process was started with.
std::vector<std::string> MeasurableIsas();

// One of them; the newest for an empty text. Sets both variables; to be called before either library is used. Exits
// with a message for another text.
void SelectIsa(const std::string& isa);

// The one in use.
const std::string& SelectedIsa();

inline bool UsesAvx512() { return SelectedIsa() == "avx512"; }
inline bool UsesAvx2() { return SelectedIsa() == "avx2"; }

// Where vpdpbusd is missing, oneDNN's 8-bit kernels add two products in 16 bits, which activations of 8 bits overflow.
// Their time does not depend on the codes.
inline int LargestSafeCode() { return UsesAvx512() ? 255 : 127; }

// The name that this program was called by, for its messages.
const char* ProgramName();
