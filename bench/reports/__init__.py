"""Reports of what bench/ measured: of the kernels (matmul_bench) and of whole networks (bench/models/measure.py)."""
