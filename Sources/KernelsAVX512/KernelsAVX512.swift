// KernelsAVX512: `@c` kernels of the contract in CKernelABI.h, called by prototype, never imported.
