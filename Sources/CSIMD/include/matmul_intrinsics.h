// Wrappers that the matrix kernels need.
#ifndef SONIQ_MATMUL_INTRINSICS_H
#define SONIQ_MATMUL_INTRINSICS_H

#endif
