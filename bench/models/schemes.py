"""The schemes of soniq that whole networks are measured at, and which of them on which class of machine."""

from __future__ import annotations

# Scheme, and how soniq-pack is told of it. The first and the last layer keep 8 bits in all of them.
SCHEMES = {
    "w8a8": ["--palette", "8"],
    "w7a8": ["--palette", "w7a8"],
    "w4a8": ["--palette", "w4a8"],
    "w4a4": ["--palette", "w4a4"],
    "w2a2": ["--palette", "w2a2"],
    "w1a4": ["--palette", "w1a4"],
    "w1a1": ["--palette", "w1a1"],
    "w1a1+w4a4@75": ["--palette", "w1a1+w4a4", "--coarse-share", "0.75"],
}
FEW_BITS = ("w4a4", "w2a2", "w1a1", "w1a1+w4a4@75")
# Networks whose steps are shown one by one, and at which levels beside those of 8 bits. Of the chains, networks of one
# shape of convolution, nothing else is measured.
PROFILED, PROFILED_CHAIN = {"resnet18": ("w1a1",), "resnet20": ("w1a1",)}, ("w1a1", "w1a4", "w2a2")


def of_class(machine: str) -> list[str]:
    """What is measured where nobody says. Without VNNI weights of 7 bits are faster than those of 8."""
    return ["w8a8", *(["w7a8"] if machine == "avx2" else []), *FEW_BITS]


def profiled(model: str, machine: str, is_chain: bool) -> tuple[str, ...]:
    """At which schemes the steps of a network are shown; none for most networks."""
    eight = "w7a8" if machine == "avx2" else "w8a8"
    if is_chain:
        return (*PROFILED_CHAIN, eight)
    return (eight, *PROFILED[model]) if model in PROFILED else ()
