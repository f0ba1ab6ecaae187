"""A second reader of the file format, written from docs/format.md and docs/operations.json.

It shares no code with the library. It puts what it finds into lines of text.
"""

import json
from pathlib import Path

from format_fields import Table, real, single, xxh64

DOCS = Path(__file__).parents[3] / "docs"
KINDS = {1: "bipolar", 2: "affine"}
WEIGHT_KINDS = {**KINDS, 3: "codebook"}
ACTIVATION_KINDS = {**KINDS, 4: "symmetric"}
LAYOUTS = {1: "bytes", 2: "nibbles", 3: "planes", 4: "unsignedBytes"}
GROUP_NUMBERS = {1: "float32", 2: "float16", 3: "uint8"}
# A dimension with this bit is the index of a symbol.
SYMBOL = 1 << 31
# Kinds of sections from here on are data.
FIRST_DATA = 16
ELEMENT_TYPES = {1: "float32", 2: "int32", 3: "float16", 4: "int8", 5: "uint8"}


def metadata(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        key, tag = table.text(), table.one("B")
        if tag == 1:
            value = "text " + table.text()
        elif tag == 2:
            value = f"integer {table.one('q')}"
        elif tag == 3:
            value = "real " + real(table.one("d"))
        else:
            assert tag == 4
            value = "boolean " + ("false", "true")[table.one("B")]
        lines.append(f"metadata {key} {value}")
    return lines


def symbols(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        name, maximum = table.text(), table.one("I")
        lines.append(f"symbol {name} <= {maximum & ~SYMBOL}" + (", open" if maximum & SYMBOL else ""))
    return lines


def sizes(table: Table) -> list[str]:
    lines, last = [], -1
    for _ in range(table.one("I")):
        symbol, meaning, function, count, reserved, divisor = table.take("I4BI")
        assert reserved == 0
        assert divisor >= 1
        assert symbol > last or (symbol == last and meaning == 2)
        last, terms = symbol, []
        for _ in range(count):
            coefficient, factors = table.take("iB")
            table.reserved(3)
            symbols_of_term = table.take(f"{factors}I")
            assert symbols_of_term == sorted(symbols_of_term)
            terms.append(" * ".join([str(coefficient), *(f"symbol {index}" for index in symbols_of_term)]))
        words = {1: "is", 2: "must be"}[meaning]
        name = {1: "sum", 2: "minimum", 3: "maximum"}[function]
        lines.append(f"size symbol {symbol} {words} {name}({', '.join(terms)}) / {divisor}")
    return lines


def values(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        name, element_type, rank = table.text(), ELEMENT_TYPES[table.one("B")], table.one("B")
        lines.append(f"value {name} {element_type} {dimensions(table, rank)}")
    return lines


def states(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        name, (kind, element_type, bits, rank) = table.text(), table.take("4B")
        codes = " 4 bits" if bits == 4 else " 6 bits" if bits == 6 else ""
        assert bits == {1: 32, 2: 32, 3: 16, 4: 8, 5: 8}[element_type] or (codes and (kind, element_type) == (2, 4))
        shape = dimensions(table, rank)
        words = "growing"
        if kind == 1:
            value, following = table.take("2I")
            words = f"recurrent {value} <- {following}"
        else:
            assert kind == 2
        lines.append(f"state {name} {ELEMENT_TYPES[element_type]}{codes} {shape} {words}")
    return lines


def tokenizer(table: Table) -> list[str]:
    algorithm, split = table.take("2B")
    table.reserved(2)
    flags, count, merges, prefix, suffix = table.take("5I")
    affixes = table.take(f"{prefix}I"), table.take(f"{suffix}I")
    pairs = [table.take("2I") for _ in range(merges)]
    scores = table.take(f"{count}{'I' if algorithm == 2 else 'Q'}") if algorithm in (2, 5) else (None,) * count
    roles, lengths = table.take(f"{count}B"), table.take(f"{count}H")
    has_map, flags = divmod(flags, 8192)
    lines = [f"tokenizer {algorithm} split {split} flags {flags} prefix {[*affixes[0]]} suffix {[*affixes[1]]}"]
    for role, length, score in zip(roles, lengths, scores, strict=True):
        piece = bytes(table.take(f"{length}B"))
        rule = f" rule {role >> 4}" if role >> 4 else ""
        lines.append(f"  token {piece.hex()} role {role & 15}{rule}" + ("" if score is None else f" score {score:x}"))
    lines += [f"  merge {left} {right}" for left, right in pairs]
    if has_map:
        (size,) = table.take("I")
        lines.append(f"  map {bytes(table.take(f'{size}B')).hex()}")
    return lines


def dimensions(table: Table, rank: int) -> str:
    sizes = table.take(f"{rank}I")
    return " x ".join(f"symbol {size & ~SYMBOL}" if size & SYMBOL else str(size) for size in sizes)


def weight_code(table: Table) -> str:
    kind, bits, zero, reserved = table.take("4B")
    assert reserved == 0
    return f"{KINDS[kind]} {bits} zero {zero}"


def layout_of(bits: int) -> int:
    """The layout that versions 1 and 2 have for so many bits."""
    return {8: 1, 4: 2}.get(bits, 3)


def weight_code_3(table: Table) -> str:
    kind, bits, zero, layout = table.take("4B")
    entries = table.take("16b")
    text = f"{WEIGHT_KINDS[kind]} {bits} zero {zero}"
    if layout != layout_of(bits):
        text += f" as {LAYOUTS[layout]}"
    count = 1 << bits if kind == 3 else 0
    assert entries[count:] == [0] * (16 - count)
    return text + (" of " + " ".join(str(entry) for entry in entries[:count]) if kind == 3 else "")


def activation_code(table: Table, kinds: dict[int, str] = KINDS) -> tuple[str, bool]:
    """In words, and whether groups have scales."""
    kind, bits, scaling, zero, scale = table.take("4Bf")
    if scaling in (1, 3):
        assert (zero, scale) == (0, 0)
        assert scaling == 1 or kinds[kind] == "symmetric"
        return f"{kinds[kind]} {bits} dynamic", scaling == 3
    assert scaling == 2
    return f"{kinds[kind]} {bits} scale {single(scale)} zero {zero}", False


class Constants:
    def __init__(self, table: Table, sections: list[tuple[int, bytes]]) -> None:
        self.table, self.sections = table, sections
        self.next = sum(kind < FIRST_DATA for kind, _ in sections)
        self.lines: list[str] = []
        self.fields: list[str] = []

    def section(self, field: str, kind: int, optional: bool = False) -> None:
        index = self.table.one("I")
        if index == 0 and optional:
            return
        assert index == self.next
        self.next += 1
        assert self.sections[index][0] == kind
        data = self.sections[index][1]
        self.fields.append(f"  {field} {len(data)} bytes {xxh64(data):x}")

    def read(self) -> list[str]:
        readers = {
            1: self.dense,
            2: self.float_matrix,
            3: self.matrix,
            4: self.packed_table,
            5: lambda: self.matrix(has_taps=True),
            6: self.depthwise,
            7: self.level_matrix,
        }
        for _ in range(self.table.one("I")):
            name, self.fields = self.table.text(), []
            summary = readers[self.table.one("B")]()
            self.lines += [f"constant {name} {summary}", *self.fields]
        assert self.next == len(self.sections)
        return self.lines

    def dense(self) -> str:
        element_type, rank = self.table.take("2B")
        shape = self.table.take(f"{rank}I")
        self.section("bytes", 24)
        return f"dense {ELEMENT_TYPES[element_type]} {shape}"

    def float_matrix(self) -> str:
        outputs, inputs = self.table.take("2I")
        self.section("panels", 25)
        self.section("bias", 21, optional=True)
        return f"float matrix {outputs} x {inputs}"

    def depthwise(self) -> str:
        channels, taps = self.table.take("2I")
        summary = f"depthwise {channels} x {taps} {{w {weight_code(self.table)} a {activation_code(self.table)[0]}}}"
        self.section("weights", 26)
        self.section("scales", 17)
        return summary

    def matrix(self, has_taps: bool = False) -> str:
        outputs, inputs = self.table.take("2I")
        taps = self.table.one("I") if has_taps else 1
        count = self.table.one("B")
        self.table.reserved(3)
        self.section("gather", 20, optional=True)
        self.section("bias", 21, optional=True)
        summary = f"matrix {outputs} x {inputs}" + (f" taps {taps}" if taps > 1 else "")
        for level in range(count):
            weight, (activation, _) = weight_code(self.table), activation_code(self.table)
            summary += f" {{w {weight} a {activation} {self.table.one('I')}}}"
            self.section(f"levels[{level}].weights", 16)
            self.section(f"levels[{level}].scales", 17)
            self.section(f"levels[{level}].offsets", 18, optional=True)
            self.section(f"levels[{level}].storedSums", 19)
        return summary

    def level_matrix(self) -> str:
        outputs, inputs, taps, count = self.table.take("3IB")
        self.table.reserved(3)
        self.section("gather", 20, optional=True)
        self.section("bias", 21, optional=True)
        assert 1 <= count <= 4
        summary = f"matrix {outputs} x {inputs}" + (f" taps {taps}" if taps > 1 else "")
        return summary + "".join(f" {{{self.level_3(f'levels[{level}]', outputs)}}}" for level in range(count))

    def level_3(self, place: str, outputs: int) -> str:
        weight, (activation, has_groups) = weight_code_3(self.table), activation_code(self.table, ACTIVATION_KINDS)
        length, group_numbers, activation_length = self.table.take("3B")
        self.table.reserved(1)
        channels = self.table.one("I")
        assert has_groups == (activation_length > 0)
        self.section(f"{place}.weights", 16)
        self.section(f"{place}.scales", 17, optional=length > 0)
        self.section(f"{place}.offsets", 18, optional=True)
        self.section(f"{place}.storedSums", 19)
        groups = ""
        if length:
            groups = f" groups {length} {GROUP_NUMBERS[group_numbers]}"
            bytes_of_groups = -(-channels // length) * -(-outputs // 16) * 16 * {1: 4, 2: 2, 3: 1}[group_numbers]
            self.section(f"{place}.groupScales", 27)
            assert f" {bytes_of_groups} bytes " in self.fields[-1]
            self.section(f"{place}.groupOffsets", 28, optional=True)
        else:
            assert [group_numbers, *self.table.take("2I")] == [0, 0, 0]
        self.table.reserved(4)
        by = f" by {activation_length}" if has_groups else ""
        return f"w {weight} a {activation}{by} {channels}{groups}"

    def packed_table(self) -> str:
        rows, channels, count = self.table.take("IIB")
        self.table.reserved(3)
        self.section("scatter", 20, optional=True)
        summary = f"table {rows} x {channels}"
        for level in range(count):
            code = weight_code(self.table)
            run, block = self.table.take("2I")
            summary += f" {{w {code} {run} by {block}}}"
            self.section(f"levels[{level}].codes", 22)
            self.section(f"levels[{level}].scales", 23)
        return summary


OPERATIONS = json.loads((DOCS / "operations.json").read_text(encoding="utf-8"))["operations"]


def constant(table: Table) -> str:
    index = table.one("I")
    return "none" if index == 0 else str(index - 1)


def dimension(table: Table) -> str:
    size = table.one("I")
    return f"symbol {size & ~SYMBOL}" if size & SYMBOL else str(size)


FIELDS = {
    "u8": lambda table: str(table.one("B")),
    "tag": lambda table: str(table.one("B")),
    "u32": lambda table: str(table.one("I")),
    "i32": lambda table: str(table.one("i")),
    "f32": lambda table: single(table.one("f")),
    "constant": lambda table: str(table.one("I")),
    "optional constant": constant,
    "dimension": dimension,
}


def attributes(table: Table, fields: list[dict]) -> list[tuple[str, str]]:
    """Names and values in words; those of a list are brought together by name."""
    found: list[tuple[str, str]] = []
    for field in fields:
        if field["type"] == "reserved":
            table.reserved(field["count"])
        elif field["type"] == "flags":
            bits = table.one("B")
            found += [(name, str(bits >> bit & 1)) for bit, name in enumerate(field["flags"])]
        elif field["type"] == "list":
            columns: dict[str, list[str]] = {}
            for _ in range(int(dict(found)[field["of"]])):
                for name, value in attributes(table, field["fields"]):
                    columns.setdefault(name, []).append(value)
            found += [(name, f"[{', '.join(values)}]") for name, values in columns.items()]
        else:
            found.append((field["name"], FIELDS[field["type"]](table)))
    return found


def operation(table: Table, tag: int) -> str:
    kinds = [kind for kind in OPERATIONS if kind["tag"] == tag]
    if "tensor_tag" in kinds[0]:
        tensor_tag = table.one("B")
        kinds = [kind for kind in kinds if kind["tensor_tag"] == tensor_tag]
    (kind,) = kinds
    return " ".join([kind["name"], *(f"{name}={value}" for name, value in attributes(table, kind["fields"]))])


def nodes(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        name, tag, count, more = table.text(), *table.take("3B")
        table.reserved(1)
        inputs, outputs = table.take(f"{count}I"), table.take(f"{1 + more}I")
        made = ", ".join(str(output) for output in outputs)
        lines.append(f"node {name} {operation(table, tag)} {inputs} -> {made}")
    return lines


def interface(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        value, has_fill = table.take("IB")
        table.reserved(3)
        fill = table.one("i")
        lines.append(f"input {value} fill {fill if has_fill else 'none'}")
    return lines + [f"output {value}" for value in table.take(f"{table.one('I')}I")]


def read_tables(sections: list[tuple[int, bytes]]) -> list[str]:
    """The lines of all tables, which must end where their sections do."""
    kinds = [kind for kind, _ in sections if kind < FIRST_DATA]
    assert kinds == [1, 2, 3, 4, 5, 6, *sorted({7, 8, 9} & set(kinds))]
    tables = [Table(data) for _, data in sections[: len(kinds)]]
    lines = metadata(tables[0]) + symbols(tables[1])
    if 7 in kinds:
        lines += sizes(tables[kinds.index(7)])
    lines += values(tables[2])
    if 8 in kinds:
        lines += states(tables[kinds.index(8)])
    lines += Constants(tables[3], sections).read()
    lines += nodes(tables[4]) + interface(tables[5])
    if 9 in kinds:
        lines += tokenizer(tables[kinds.index(9)])
    for table in tables:
        table.end()
    return lines
