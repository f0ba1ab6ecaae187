// SoniqKernels: which kernels exist, what this CPU can run, and which one a layer gets.
