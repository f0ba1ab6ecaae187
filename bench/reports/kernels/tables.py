"""The tables of a report."""

from __future__ import annotations

from collections.abc import Sequence

from reports.disturbance import BUSY
from reports.kernels.rows import Report, Row, undisturbed
from reports.markdown import table, threads_text
from reports.outcome import EQUAL, Outcome, counted

PEAKS = ("bytes", "nibbles", "popcount", "table", "floats")


def machine(report: Report) -> str:
    """The machine and what it can do, as measured at the start of each run."""
    context = report.context
    lines = [f"* {report.machine.cpu}, {context['num_cpus']} cores; {report.machine.name}; "
             f"{context['library'].split(' (')[0]}, revision {context.get('revision', 'unknown')}; "
             f"{context['baseline']}; {context['date'][:10]}."]
    if report.machine.capped:
        lines.append("* The CPU has newer instructions. Both libraries were kept from them.")
    lines.append("")
    settings = sorted({key.rsplit("/", 1)[0] for key in context if key.startswith("threads:")})
    peaks, reads = [], []
    for setting in settings:
        threads, isa = (part.split(":")[1] for part in setting.split("/"))
        name = f"{isa}, {threads_text(int(threads))}"
        values = [report.peak(f"peak_{kind}_gmacs", int(threads), isa) for kind in PEAKS]
        peaks.append([name, *(f"{value:.0f}" for value in values if value is not None)])
        measured = dict(report.bandwidths(int(threads), isa))
        reads.append([name, *(f"{measured[size]:.0f}" for size in measured)])
        sizes = [f"{size >> 10}K" if size < 1 << 20 else f"{size >> 20}M" for size in measured]
    busy = {s: float(context[f"{s}/busy_cores"]) for s in settings}
    if max(busy.values(), default=0) > BUSY:
        lines += ["Others were working on the machine: " + ", ".join(f"{s} {b:.2f} cores" for s, b in busy.items()), ""]
    lines += ["GMAC/s of register-only loops:", "", table(["", "8-bit", "4-bit", "popcount", "table", "float"], peaks)]
    lines += ["GB/s read again and again from a buffer of this size:", "", table(["", *sizes], reads)]
    return "\n".join(lines)


def ratios(report: Report, isa: str, threads: int, boundary: str) -> str:
    """Ratio to oneDNN INT8 by shape and scheme, with the baseline's own speed."""
    rows = [r for r in report.rows if (r.isa, r.threads, r.boundary) == (isa, threads, boundary)]
    schemes = list(dict.fromkeys(r.scheme for r in rows if r.engine == "soniq"))
    lines = []
    for shape in dict.fromkeys(r.shape for r in rows):
        here = [r for r in rows if r.shape == shape]
        baseline = next((r for r in here if r.engine == "onednn_int8"), None)
        ours = {r.scheme: r for r in here if r.engine == "soniq"}
        if baseline is None:
            continue
        cells = [f"{ours[s].to_onednn:.2f}" if s in ours and ours[s].to_onednn else "" for s in schemes]
        lines.append([shape, f"{baseline.gmacs:.0f}", *cells])
    return table(["M x K x N", "oneDNN GMAC/s", *schemes], lines) if lines else ""


def rooflines(report: Report, isa: str, threads: int) -> str:
    """Per cent of the roofline by shape and scheme, from codes to sums."""
    rows = [r for r in report.rows if (r.isa, r.threads, r.boundary) == (isa, threads, "codes")]
    schemes = list(dict.fromkeys(r.scheme for r in rows if r.engine == "soniq"))
    lines = []
    for shape in dict.fromkeys(r.shape for r in rows):
        here = {(r.engine, r.scheme): r for r in rows if r.shape == shape}
        cells = [here.get(("onednn_int8", "w8a8")), *(here.get(("soniq", s)) for s in schemes)]
        lines.append([shape, *(f"{r.roofline_percent:.0f}" if r else "" for r in cells)])
    return table(["M x K x N", "oneDNN", *schemes], lines) if lines else ""


def ceilings(report: Report) -> str:
    """What arithmetic alone allows: GMAC/s of each scheme, and how many times the 8-bit peak that is."""
    schemes = list(dict.fromkeys(r.scheme for r in report.rows if r.engine == "soniq"))
    lines = []
    for isa in sorted({r.isa for r in report.rows}, reverse=True):
        peaks = [report.peak(f"peak_{kind}_gmacs", 1, isa) for kind in PEAKS[:4]]
        if None in peaks:
            continue
        values = [ceiling(scheme, *peaks) for scheme in schemes]
        lines.append([f"{isa}, GMAC/s", *(f"{value:.0f}" for value in values)])
        lines.append([f"{isa}, times the 8-bit peak", *(f"{value / peaks[0]:.2f}" for value in values)])
    return table(["", *schemes], lines)


def ceiling(scheme: str, of_bytes: float, of_nibbles: float, popcount: float, look_ups: float) -> float:
    """The compute ceiling of a scheme, as bench/roofline.h defines it."""

    def of_level(level: str) -> float:
        weight_bits, activation_bits = int(level[1]), int(level[3])
        halves = 2 if activation_bits > 4 else 1
        direct = of_nibbles if weight_bits <= 4 else of_bytes
        return max(direct, popcount / (weight_bits * activation_bits), look_ups / (weight_bits * halves))

    first, plus, rest = scheme.partition("+")
    if not plus:
        return of_level(first)
    second, _, percent = rest.partition("@")
    share = float(percent) / 100
    return 1 / (share / of_level(first) + (1 - share) / of_level(second))


def scaling(report: Report) -> str:
    """Two threads to one, both in the same process."""
    rows = [r for r in undisturbed(report) if r.threads == 2 and r.engine == "soniq" and r.to_one_thread]
    lines = [[f"{r.label}", f"{r.gmacs:.0f}", f"{r.to_one_thread:.2f}", f"{r.to_onednn:.2f}" if r.to_onednn else ""]
             for r in rows]
    return table(["", "GMAC/s", "to one thread", "to oneDNN, two threads"], lines) if lines else ""


def losses(report: Report) -> str:
    """For each scheme: how many rows are slower than oneDNN INT8 and than our own 8 bits, and the worst of them."""
    lines = []
    settings = {(r.isa, r.threads, r.boundary) for r in undisturbed(report)}
    for isa, threads, boundary in sorted(settings, key=lambda s: (s[0] != "avx512", *s[1:])):
        rows = [r for r in report.rows if (r.isa, r.threads, r.boundary) == (isa, threads, boundary)]
        for scheme in dict.fromkeys(r.scheme for r in rows if r.engine == "soniq"):
            ours = [r for r in rows if r.engine == "soniq" and r.scheme == scheme]
            to_baseline = slower([(r.to_onednn, r) for r in ours if r.to_onednn is not None])
            to_own = slower([(r.to_w8a8, r) for r in ours if r.to_w8a8 is not None])
            if to_baseline or to_own:
                lines.append([f"{isa}, {threads_text(threads)}, {boundary}: {scheme}", str(len(ours)),
                              to_baseline, to_own])
    head = ["", "rows", "slower than oneDNN INT8", "slower than our w8a8"]
    return table(head, lines) if lines else "No row is slower.\n"


def slower(ratios: list[tuple[float, Row]]) -> str:
    """How many are below what counts as equal, with the worst; "" for none."""
    below = sorted((pair for pair in ratios if pair[0] < EQUAL), key=lambda pair: pair[0])
    return f"{len(below)}, worst {below[0][0]:.2f} at {below[0][1].shape}" if below else ""


def every_row(rows: list[Row]) -> str:
    def ratio(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    lines = [
        [f"{r.engine} {r.scheme} {r.shape} t{r.threads} {r.boundary} {r.isa}", f"{r.microseconds:.2f}",
         f"{r.gmacs:.1f}", f"{r.weight_bytes / r.microseconds / 1e3:.1f}", ratio(r.to_onednn), ratio(r.to_w8a8),
         f"{r.roofline_percent:.0f}", f"{100 * r.spread:.0f}", r.kernel]
        for r in rows
    ]
    head = ["", "us", "GMAC/s", "weights GB/s", "to oneDNN", "to w8a8", "% roofline", "% spread", "kernel"]
    return table(head, lines)


def outcomes(results: Sequence[Outcome], details: int = 0) -> str:
    """The targets against what was measured, and of each the worst rows below it, `details` at most."""
    lines = [[r.target, r.wanted, r.measured, r.remark, r.verdict] for r in results]
    text = table(["target", "wanted", "worst", "where", ""], lines)
    for result in results:
        if result.failures and details:
            text += f"\nBelow {result.wanted.removeprefix('>= ')} - {result.target}:\n"
            text += "".join(f"  {row}\n" for row in result.failures[:details])
            if len(result.failures) > details:
                text += f"  and {len(result.failures) - details} more\n"
    return f"{text}\n{counted(results)}\n"
