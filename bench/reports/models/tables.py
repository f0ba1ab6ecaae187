"""The tables of a report."""

from __future__ import annotations

from reports.disturbance import BUSY
from reports.markdown import table, threads_text
from reports.models.rows import CONVOLUTIONS, Report
from reports.models.targets import outcomes
from reports.outcome import counted

TITLES = {"onnxruntime_f32": "ONNX Runtime f32", "onnxruntime_int8": "ONNX Runtime INT8",
          "openvino_int8": "OpenVINO INT8", CONVOLUTIONS: "oneDNN convolutions"}  # fmt: skip


def setting_name(threads: int, batch: int) -> str:
    return f"{threads_text(threads)}, batch {batch}"


def times(report: Report, threads: int, batch: int) -> str:
    """Milliseconds by network: the baselines, then soniq with its ratio to the faster INT8 engine."""
    others = [(engine, "f32" if engine.endswith("f32") else "w8a8") for engine in TITLES]
    schemes = report.schemes()
    lines = []
    for model in report.models():
        if model.startswith("chain_"):
            continue
        baseline = report.best_engine(model, threads, batch)
        cells = [report.ms(model, engine, scheme, threads, batch) for engine, scheme in others]
        line = [model, *("" if value is None else f"{value:.2f}" for value in cells)]
        for scheme in schemes:
            ours = report.ms(model, "soniq", scheme, threads, batch)
            line.append("" if ours is None else f"{ours:.2f}" + (f" ({baseline / ours:.2f}x)" if baseline else ""))
        if any(line[1:]):
            lines.append(line)
    return table(["ms", *(TITLES[engine] for engine, _ in others), *schemes], lines) if lines else ""


def layers(report: Report, model: str) -> str:
    """Every convolution of a network: oneDNN's time for it, and ours at each level with the ratio. Putting codes into
    the image that a convolution reads is a step of its own: it is among the others, like additions and pooling."""
    steps = [step for step in report.steps if step["model"] == model]
    schemes = list(dict.fromkeys(step["scheme"] for step in steps))
    to_bytes = [row for row in report.convolutions if (row["model"], row["destination"]) == (model, "u8")]
    baselines = {row["shape"]: row for row in to_bytes}
    lines = []
    for name in dict.fromkeys(step["name"] for step in steps if step["shape"]):
        here = {step["scheme"]: step for step in steps if step["name"] == name and step["shape"]}
        shape = next(iter(here.values()))["shape"]
        baseline = baselines[shape]["ms"]
        cells = [f"{1e3 * here[s]['ms']:.1f} ({baseline / here[s]['ms']:.2f}x)" if s in here else "" for s in schemes]
        lines.append([name, shape, f"{1e3 * baseline:.1f}", *cells])
    for title, counts in (("all convolutions", True), ("all other steps", False)):
        chosen = [step for step in steps if bool(step["shape"]) == counts]
        total = [sum(step["ms"] for step in chosen if step["scheme"] == scheme) for scheme in schemes]
        baseline = sum(row["ms"] * row["occurrences"] for row in baselines.values()) if counts else None
        cells = [f"{1e3 * ms:.1f}" + (f" ({baseline / ms:.2f}x)" if baseline else "") for ms in total]
        lines.append([title, "", f"{1e3 * baseline:.1f}" if baseline else "", *cells])
    return table(["step", "convolution", "oneDNN us", *(f"{scheme} us" for scheme in schemes)], lines)


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
    return table(["target, one thread, one image", "wanted", "worst", "", "more"], lines) + f"\n{counted(results)}\n"


def machine(report: Report) -> str:
    context = report.context
    engines = "; ".join(dict.fromkeys(context["engines"].values()))
    of = f"{report.machine.name}; revision {context['revision']}; {context['date']}"
    text = f"* {report.machine.cpu}, {context['cores']} cores; {of}.\n"
    text += f"* {engines}; {context['rounds']} rounds of {context['seconds']} s an engine.\n"
    if report.machine.capped:
        text += "* The CPU has newer instructions. soniq and oneDNN were kept from them; "
        text += "ONNX Runtime and OpenVINO cannot be, and used them.\n"
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
        for scheme in dict.fromkeys(step["scheme"] for step in report.steps if step["model"] == model):
            parts.append(f"{mark} {model} at {scheme}, by operation\n\n{step_kinds(report, model, scheme)}")
    return "\n".join(parts)
