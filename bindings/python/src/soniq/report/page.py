"""A report as one HTML file that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from importlib import resources

from . import pictures
from .contents import RUNS, Contents, Measured, Weight

# Metadata of one of these keys is too long for a table.
LONG = 300


def page(contents: Contents) -> str:
    """The whole page."""
    name = str(contents.metadata.get("general.name") or contents.path)
    body = [
        f"<h1>{html.escape(name)}</h1><p>{html.escape(contents.path)}</p>",
        _numbers(contents),
        _time(contents),
        _kernels(contents.measured) if contents.measured else "",
        _map(contents.weights),
        _about(contents),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(name)}</title><style>{_file('page.css')}</style></head><body>{''.join(body)}"
        f"<script>{_file('page.js')}</script></body></html>\n"
    )


def _file(name: str) -> str:
    return resources.files("soniq.report").joinpath(name).read_text("utf-8")


def size(count: int) -> str:
    """Bytes as people say them."""
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= divisor:
            return f"{count / divisor:.1f} {unit}"
    return f"{count} bytes"


def _numbers(contents: Contents) -> str:
    float_bytes = 4 * contents.parameters
    numbers = [
        ("file", size(contents.file_bytes)),
        ("parameters", f"{contents.parameters / 1e6:.1f} million"),
        ("bits a weight, scales included", f"{contents.average_bits:.2f}"),
        ("of float32", f"{contents.file_bytes / max(1, float_bytes):.0%}"),
    ]
    if contents.measured:
        numbers.append(("one run, one thread", f"{contents.measured.milliseconds:.2f} ms"))
    cosine = contents.metadata.get("soniq.calibration_cosine_mean")
    if isinstance(cosine, float):
        numbers.append(("cosine to float, in calibration", f"{cosine:.4f}"))
    return '<ul class="numbers">' + "".join(f"<li><b>{value}</b>{name}</li>" for name, value in numbers) + "</ul>"


def _map(weights: Sequence[Weight]) -> str:
    largest = max((weight.byte_count for weight in weights), default=0)
    rows = [
        [
            f'<td class="name" title="{html.escape("; ".join(weight.levels))}">{html.escape(weight.name)}</td>',
            f"<td>{weight.kind}</td><td>{weight.shape}</td>",
            f'<td style="width:22%">{pictures.channels_bar(weight.parts)}</td>',
            f'<td class="n">{weight.average_bits:.2f}</td>',
            f'<td data-value="{weight.byte_count}" style="width:14%">'
            f"{pictures.size_bar(weight.byte_count, largest)}</td>",
            f'<td class="n" data-value="{weight.byte_count}">{size(weight.byte_count)}</td>',
        ]
        for weight in weights
    ]
    headings = ["weight", "kind", "shape", "precision of its channels", "bits", "share", "size"]
    whole = f"{pictures.whole_bar(weights)}{pictures.legend(weights)}"
    return f"<h2>Where the bits are</h2>{whole}{_table(headings, rows)}"


def _time(contents: Contents) -> str:
    if contents.measured is None:
        return f"<h2>Where the time goes</h2><p>Not measured: {html.escape(contents.reason)}.</p>"
    measured = contents.measured
    sizes = ", ".join(f"{name} {value}" for name, value in measured.sizes.items()) or "the only sizes there are"
    return (
        f"<h2>Where the time goes</h2><p>{measured.milliseconds:.3f} ms a run with made-up inputs "
        f"({html.escape(sizes)}) and one thread, each step at its fastest of {RUNS} runs. Parts lie below what "
        "they are parts of.</p>"
        f"{pictures.icicle(pictures.tree(measured.steps))}"
    )


def _kernels(measured: Measured) -> str:
    refusals = {report.node: report.refusals for report in measured.kernels}
    rows = []
    for step in measured.steps:
        rate = step.multiply_accumulates / step.milliseconds / 1e6 if step.milliseconds else 0
        why = "; ".join(refusals.get(step.name, ()))
        rows.append(
            [
                f'<td class="name">{html.escape(step.name)}</td><td>{html.escape(step.operation)}</td>',
                f"<td>{html.escape(step.level)}</td>",
                f'<td class="kernel" title="{html.escape(why)}">{html.escape(step.kernel)}{" *" if why else ""}</td>',
                f'<td class="n" data-value="{step.milliseconds}">{step.milliseconds:.4f}</td>',
                f'<td class="n">{f"{rate:.1f}" if rate else ""}</td>',
            ]
        )
    headings = ["step", "operation", "bits", "kernel", "ms", "GMAC/s"]
    note = "<p>* a faster kernel was refused: the reason shows when the pointer rests on the name.</p>"
    summary = f"Every step and its kernel ({html.escape(measured.machine)})"
    return f"<details><summary>{summary}</summary>{note}{_table(headings, rows)}</details>"


def _about(contents: Contents) -> str:
    texts = [(key, str(value)) for key, value in sorted(contents.metadata.items())]
    rows = [
        [
            f'<td class="name">{html.escape(key)}</td>',
            f"<td>{html.escape(text if len(text) <= LONG else text[:LONG] + ' …')}</td>",
        ]
        for key, text in texts
    ]
    lists = [f"<h3>{title}</h3><ul>{_items(values)}</ul>" for title, values in _ends(contents)]
    return f"<h2>What the file says</h2>{''.join(lists)}{_table(['key', 'value'], rows)}"


def _ends(contents: Contents) -> list[tuple[str, tuple[str, ...]]]:
    return [("Inputs", contents.inputs), ("Outputs", contents.outputs)]


def _items(values: Iterable[str]) -> str:
    return "".join(f"<li>{html.escape(value)}</li>" for value in values)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
