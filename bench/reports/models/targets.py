"""The targets for whole networks and single convolutions, and what was measured of each: one thread, one image."""

from __future__ import annotations

from reports.models.rows import Report
from reports.outcome import Outcome

# Network, scheme, least ratio to the best INT8 of the baselines.
RATIOS = [
    ("resnet18", "w8a8", 1.1), ("resnet18", "w1a1", 4.5), ("resnet18", "w1a1+w4a4@75", 2.2),
    ("resnet50", "w1a1", 4.0), ("mobilenet_v2", "w8a8", 1.2), ("resnet20", "w1a1", 4.0),
]  # fmt: skip
# Convolutions alone, 3 x 3: scheme and least ratio to oneDNN's, for each shape of `networks.CHAINS`.
KERNELS = [("w1a1", 4.5), ("w1a4", 2.3), ("w2a2", 1.25), ("w8a8", 0.95)]
WORKSPACE_LIMIT = 6_000_000


def ratio_outcome(report: Report, model: str, scheme: str, least: float) -> Outcome:
    """The baseline is the fastest of the three: two engines, and oneDNN's convolutions added up."""
    name, wanted = f"{model}, {scheme}, to the best INT8", f">= {least:.2f}x"
    ours = report.ms(model, "soniq", scheme, 1, 1)
    engine, alone = report.best_engine(model, 1, 1), report.convolutions_alone(model, 1, 1)
    baselines = [value for value in (engine, alone) if value is not None]
    if ours is None or not baselines:
        return Outcome(name, wanted, "", None)
    ratio = min(baselines) / ours
    remark = "" if engine is None else f"to the best whole-network engine {engine / ours:.2f}x"
    return Outcome(name, wanted, f"{ratio:.2f}x", ratio >= least, remark)


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
    name, wanted = f"3x3 convolution alone, {scheme}, to oneDNN", f">= {least:.2f}x"
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
    return (
        [ratio_outcome(report, *target) for target in RATIOS]
        + [kernel_outcome(report, *target) for target in KERNELS]
        + [memory_outcome(report)]
    )
