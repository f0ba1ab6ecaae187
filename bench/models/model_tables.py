"""Reports for people: Markdown that also reads well in a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from model_rows import BUSY, CONVOLUTIONS, Report  # noqa: E402 (the path is set before)
from model_targets import outcomes  # noqa: E402
from tables import table  # noqa: E402

TITLES = {"onnxruntime_f32": "ONNX Runtime f32", "onnxruntime_int8": "ONNX Runtime INT8",
          "openvino_int8": "OpenVINO INT8", CONVOLUTIONS: "oneDNN convolutions"}  # fmt: skip


def setting_name(threads: int, batch: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}, batch {batch}"


def times(report: Report, threads: int, batch: int) -> str:
    """Milliseconds by network: the rivals, then soniq with its ratio to the faster INT8 engine."""
    others = [(engine, "f32" if engine.endswith("f32") else "w8a8") for engine in TITLES]
    schemes = report.schemes()
    lines = []
    for model in report.models():
        if model.startswith("chain_"):
            continue
        rival = report.best_engine(model, threads, batch)
        cells = [report.ms(model, engine, scheme, threads, batch) for engine, scheme in others]
        line = [model, *("" if value is None else f"{value:.2f}" for value in cells)]
        for scheme in schemes:
            ours = report.ms(model, "soniq", scheme, threads, batch)
            line.append("" if ours is None else f"{ours:.2f}" + (f" ({rival / ours:.2f}x)" if rival else ""))
        if any(line[1:]):
            lines.append(line)
    return table(["ms", *(TITLES[engine] for engine, _ in others), *schemes], lines) if lines else ""


def layers(report: Report, model: str) -> str:
    """Every convolution of a network: oneDNN, and ours at each level, in microseconds. Quantising the input of a
    convolution is a step of its own where it is not part of the one before; the sums at the end have everything."""
    schemes = list(dict.fromkeys(step["scheme"] for step in report.steps if step["model"] == model))
    if not schemes:
        return ""
    columns = {scheme: [s for s in report.steps if (s["model"], s["scheme"]) == (model, scheme)] for scheme in schemes}
    head = ["step", *(f"{scheme} us" for scheme in schemes), *(f"{scheme} GMAC/s" for scheme in schemes)]
    lines, rest = [], {scheme: 0.0 for scheme in schemes}
    named = {scheme: {} for scheme in schemes}
    for scheme, steps in columns.items():
        for step in steps:
            if step["products"]:
                named[scheme].setdefault(step["name"], step)
            else:
                rest[scheme] += step["ms"]
    for name in dict.fromkeys(name for steps in named.values() for name in steps):
        here = [named[scheme].get(name) for scheme in schemes]
        lines.append([name, *(f"{1e3 * step['ms']:.1f}" if step else "" for step in here),
                      *(f"{step['products'] / step['ms'] / 1e6:.0f}" if step else "" for step in here)])
    lines.append(["all other steps", *(f"{1e3 * value:.1f}" for value in rest.values()), *("" for _ in schemes)])
    total = {scheme: sum(step["ms"] for step in steps) for scheme, steps in columns.items()}
    lines.append(["in all", *(f"{1e3 * value:.1f}" for value in total.values()), *("" for _ in schemes)])
    return table(head, lines)


def rival_layers(report: Report, model: str) -> str:
    """oneDNN's convolutions of a network, each alone."""
    rows = [row for row in report.convolutions if row["model"] == model]
    by_shape: dict[str, dict[str, dict]] = {}
    for row in rows:
        by_shape.setdefault(row["shape"], {})[row["destination"]] = row
    lines = [
        [shape, str(next(iter(kinds.values()))["occurrences"]),
         *(f"{1e3 * kinds[kind]['ms']:.1f}" if kind in kinds else "" for kind in ("u8", "s32")),
         next(iter(kinds.values()))["kernel"]]
        for shape, kinds in by_shape.items()
    ]
    return table(["convolution", "times", "us to bytes", "us to sums", "oneDNN kernel"], lines) if lines else ""


def step_kinds(report: Report, model: str, scheme: str) -> str:
    """Where the time of a network goes, by operation: shows what the steps cost beside their products."""
    steps = [step for step in report.steps if (step["model"], step["scheme"]) == (model, scheme)]
    kinds: dict[tuple[str, str, str], list[float]] = {}
    for step in steps:
        kinds.setdefault((step["operation"], step["level"], step["kernel"]), []).append(step["ms"])
    total = sum(step["ms"] for step in steps)
    lines = [[f"{operation} {level}".strip(), str(len(values)), f"{1e3 * sum(values):.1f}",
              f"{100 * sum(values) / total:.0f}", kernel]
             for (operation, level, kernel), values in sorted(kinds.items(), key=lambda item: -sum(item[1]))]
    return table(["operation", "steps", "us", "%", "kernel"], lines) if lines else ""


def targets(report: Report) -> str:
    results = outcomes(report)
    lines = [[r.target, r.wanted, r.measured, r.verdict, r.remark] for r in results]
    counts = {verdict: sum(r.verdict == verdict for r in results) for verdict in ("met", "MISSED", "not measured")}
    summary = ", ".join(f"{count} {verdict.lower()}" for verdict, count in counts.items() if count)
    return table(["target, one thread, one image", "wanted", "worst", "", "more"], lines) + f"\n{summary}\n"


def machine(report: Report) -> str:
    context = report.context
    engines = "; ".join(dict.fromkeys(context["engines"].values()))
    text = f"* {context['cpu']}, {context['cores']} cores; revision {context['revision']}; {context['date']}.\n"
    text += f"* {engines}.\n"
    for threads in sorted({row.threads for row in report.rows}):
        busy = report.busy_cores(threads)
        if report.disturbed(threads):
            text += f"* {threads} threads are not shown: others kept {busy:.1f} cores busy.\n"
        elif busy > BUSY:
            text += f"* {threads} thread: others kept {busy:.1f} cores busy; times are CPU times of the process.\n"
    return text


def summary(report: Report, level: int = 3) -> str:
    """Everything a reader wants."""
    mark = "#" * level
    parts = [machine(report), f"{mark} Targets, whole networks\n\n{targets(report)}"]
    for threads, batch in report.settings():
        if text := times(report, threads, batch):
            parts.append(f"{mark} {setting_name(threads, batch)}: ms, and ratio to the faster INT8 engine\n\n{text}")
    for model in dict.fromkeys(step["model"] for step in report.steps):
        if model.startswith("chain_"):
            continue
        parts.append(f"{mark} {model}, step by step, one thread\n\n{layers(report, model)}")
        parts.append(f"{mark} {model}, oneDNN's convolutions, one thread\n\n{rival_layers(report, model)}")
        for scheme in dict.fromkeys(step["scheme"] for step in report.steps if step["model"] == model):
            parts.append(f"{mark} {model} at {scheme}, by operation\n\n{step_kinds(report, model, scheme)}")
    return "\n".join(parts)
