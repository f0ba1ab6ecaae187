// SoniqABI: the C functions of include/soniq.h, their handles, and errors to status codes.
