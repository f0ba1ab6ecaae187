// The library runs with glibc 2.34. Swift's overlay of the C library refers to a newer version of hypotf, which nothing
// here calls: `--wrap` in Package.swift puts the older one in its place.

float hypotf_before_2_35(float x, float y);
__asm__(".symver hypotf_before_2_35, hypotf@GLIBC_2.2.5");

float __wrap_hypotf(float x, float y);
float __wrap_hypotf(float x, float y) { return hypotf_before_2_35(x, y); }
