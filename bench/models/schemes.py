"""The schemes of soniq that whole networks are measured at, and which of them on which class of machine."""

from __future__ import annotations

# Scheme, and how soniq-pack is told of it. The first and the last layer keep 8 bits in all of them. `w8a8-half`: within
# half of their range, for CPUs without VNNI.
SCHEMES = {
    "w8a8": ["--palette", "8"],
    "w8a8-half": ["--palette", "8", "--target", "avx2"],
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
    """What is measured where nobody says."""
    return ["w8a8", *(["w8a8-half"] if machine == "avx2" else []), *FEW_BITS]


def options(scheme: str, machine: str) -> list[str]:
    """What soniq-pack is told. Without VNNI the 8-bit layers at the ends of all schemes but w8a8 are made for that."""
    chosen = SCHEMES[scheme]
    return [*chosen, "--target", "avx2"] if machine == "avx2" and scheme in FEW_BITS else chosen


def profiled(model: str, machine: str, is_chain: bool) -> tuple[str, ...]:
    """At which schemes the steps of a network are shown; none for most networks."""
    eight = "w8a8-half" if machine == "avx2" else "w8a8"
    if is_chain:
        return (*PROFILED_CHAIN, eight)
    return (eight, *PROFILED[model]) if model in PROFILED else ()
