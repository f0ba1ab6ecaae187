// Wrappers that the row operation kernels need.
#ifndef SONIQ_ROW_INTRINSICS_H
#define SONIQ_ROW_INTRINSICS_H

#endif
