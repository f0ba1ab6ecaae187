// The most 8-bit multiply-accumulates a second that one core can do: what kernels are compared with.
#pragma once

// Measures for about 50 ms. 0 on a CPU without AVX-512 VNNI.
double MeasureVnniPeakPerSecond();
