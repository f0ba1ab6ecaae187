"""The targets for whole networks and single convolutions, and what was measured of each: one thread, one image."""

from __future__ import annotations

from reports.models.rows import Report
from reports.outcome import EQUAL, Outcome

# Weights of 7 bits are the fast bytes of CPUs without VNNI.
EIGHT_BITS, EIGHT_BIT_SCHEMES = "8-bit class", ("w8a8", "w8a8-half")
# Network, scheme, and of each class of machine the least ratio to the better whole-network INT8 engine. Of few bits
# nothing has been set for AVX-VNNI yet: bytes are twice as fast there, bits are not.
RATIOS = [
    ("resnet18", EIGHT_BITS, {"avx512": 1.0, "avx_vnni": 1.0, "avx2": 1.0}),
    ("resnet18", "w1a1", {"avx512": 3.5, "avx2": 3.0}),
    ("resnet18", "w1a1+w4a4@75", {"avx512": 2.0, "avx2": 1.8}),
    ("resnet50", "w1a1", {"avx512": 3.2, "avx2": 3.0}),
    ("mobilenet_v2", EIGHT_BITS, {"avx512": 1.2, "avx_vnni": 1.0, "avx2": 1.0}),
    ("resnet20", EIGHT_BITS, {"avx512": 1.2, "avx_vnni": 1.0, "avx2": 1.0}),
    ("resnet20", "w1a1", {"avx512": 2.0, "avx2": 1.5}),
    ("super_resolution", EIGHT_BITS, {"avx512": 1.0, "avx_vnni": 1.0, "avx2": 1.0}),
    ("super_resolution", "w2a2", {"avx512": 1.3, "avx2": 1.3}),
]
# The first stage's, on AVX-512. Convolutions alone, 3 x 3: scheme and least ratio to oneDNN's, for each shape of
# `networks.CHAINS`.
KERNELS = [("w1a1", 4.5), ("w1a4", 2.3), ("w2a2", 1.25), ("w8a8", 0.95)]
WORKSPACE_LIMIT = 6_000_000


def fastest(report: Report, model: str, scheme: str) -> tuple[float, str] | None:
    """Milliseconds at a scheme and its name; of the 8-bit class those of the faster one."""
    schemes = EIGHT_BIT_SCHEMES if scheme == EIGHT_BITS else (scheme,)
    times = [(report.ms(model, "soniq", name, 1, 1), name) for name in schemes]
    return min(((ms, name) for ms, name in times if ms is not None), default=None)


def ratio_outcome(report: Report, model: str, scheme: str, least: float) -> Outcome:
    """Against the better of the whole-network engines; the ratio to oneDNN's convolutions added up is a remark."""
    name, wanted = f"{model}, {scheme}, to the better engine", f">= {least:.2f}x"
    ours, engine = fastest(report, model, scheme), report.best_engine(model, 1, 1)
    if ours is None or engine is None:
        return Outcome(name, wanted, "", None)
    ms, chosen = ours
    remarks = [chosen] if scheme == EIGHT_BITS else []
    alone = report.convolutions_alone(model, 1, 1)
    if alone is not None:
        remarks.append(f"to oneDNN's convolutions added up {alone / ms:.2f}x")
    return Outcome(name, wanted, f"{engine / ms:.2f}x", engine / ms >= least, "; ".join(remarks))


def own_outcome(report: Report) -> Outcome:
    """Fewer bits must not cost time: every network and scheme against our own 8-bit class."""
    name, wanted = "no network, scheme slower than our 8-bit class", f">= {EQUAL:.2f}x"
    ratios: dict[str, float] = {}
    for model in report.models():
        eight = fastest(report, model, EIGHT_BITS)
        for scheme in report.schemes():
            ours = report.ms(model, "soniq", scheme, 1, 1)
            if eight is not None and ours is not None and scheme not in EIGHT_BIT_SCHEMES:
                ratios[f"{model} {scheme}"] = eight[0] / ours
    if not ratios:
        return Outcome(name, wanted, "", None)
    worst = min(ratios, key=lambda row: ratios[row])
    slower = sum(ratio < EQUAL for ratio in ratios.values())
    remark = f"{worst}; {slower} of {len(ratios)} below"
    return Outcome(name, wanted, f"{ratios[worst]:.2f}x", ratios[worst] >= EQUAL, remark)


def kernel_ratios(report: Report, scheme: str) -> dict[str, float]:
    """By shape: the faster of oneDNN's convolutions (to bytes, to sums) over the mean of the chain's inner two."""
    ratios = {}
    for model in dict.fromkeys(row["model"] for row in report.convolutions):
        if not model.startswith("chain_"):
            continue
        steps = [step for step in report.steps if (step["model"], step["scheme"]) == (model, scheme)]
        products = max((step["products"] for step in steps), default=0)
        convolutions = [step for step in steps if step["products"] == products > 0]
        inner = [step["ms"] for step in convolutions[1:-1]]
        baseline = min(row["ms"] for row in report.convolutions if row["model"] == model)
        if inner:
            ratios[model.removeprefix("chain_").replace("_", "@")] = baseline * len(inner) / sum(inner)
    return ratios


def kernel_outcome(report: Report, scheme: str, least: float) -> Outcome:
    name, wanted = f"first stage: 3x3 convolution alone, {scheme}, to oneDNN", f">= {least:.2f}x"
    ratios = kernel_ratios(report, scheme)
    if not ratios:
        return Outcome(name, wanted, "", None)
    worst = min(ratios, key=lambda shape: ratios[shape])
    remark = ", ".join(f"{shape} {ratio:.2f}x" for shape, ratio in ratios.items())
    return Outcome(name, wanted, f"{ratios[worst]:.2f}x", ratios[worst] >= least, remark)


def memory_outcome(report: Report) -> Outcome:
    name, wanted = "resnet18, peak workspace", f"<= {WORKSPACE_LIMIT / 1e6:.0f} MB"
    rows = [row for row in report.memory if (row["model"], row["threads"], row["batch"]) == ("resnet18", 1, 1)]
    if not rows:
        return Outcome(name, wanted, "", None)
    most = max(row["workspace_bytes"] for row in rows)
    remark = ", ".join(f"{row['scheme']} {row['workspace_bytes'] / 1e6:.2f}" for row in rows)
    return Outcome(name, wanted, f"{most / 1e6:.2f} MB", most <= WORKSPACE_LIMIT, remark)


def outcomes(report: Report) -> list[Outcome]:
    name = report.machine.name
    ratios = [ratio_outcome(report, model, scheme, leasts[name]) for model, scheme, leasts in RATIOS if name in leasts]
    kernels = [kernel_outcome(report, *target) for target in KERNELS] if name == "avx512" else []
    return [*ratios, own_outcome(report), memory_outcome(report), *kernels]
