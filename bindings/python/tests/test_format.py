"""A second reader of the file format against the golden files, written from docs/format.md and docs/operations.json.

It shares no code with the library. What it finds must be, line by line, what the library's own test finds.
"""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
GOLDEN = ROOT / "Tests" / "SoniqFormatTests" / "Golden"
MASK = (1 << 64) - 1
PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
KINDS = {1: "bipolar", 2: "affine"}
WEIGHT_KINDS = {**KINDS, 3: "codebook"}
ACTIVATION_KINDS = {**KINDS, 4: "symmetric"}
LAYOUTS = {1: "bytes", 2: "nibbles", 3: "planes", 4: "unsignedBytes"}
GROUP_NUMBERS = {1: "float32", 2: "float16", 3: "uint8"}
# A dimension with this bit is the index of a symbol.
SYMBOL = 1 << 31
ELEMENT_TYPES = {1: "float32", 2: "int32"}


def rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def mix(lane: int, word: int) -> int:
    return rotate((lane + word * PRIMES[1]) & MASK, 31) * PRIMES[0] & MASK


def xxh64(data: bytes) -> int:
    position, value = 0, PRIMES[4]
    if len(data) >= 32:
        lanes = [(PRIMES[0] + PRIMES[1]) & MASK, PRIMES[1], 0, -PRIMES[0] & MASK]
        while len(data) - position >= 32:
            words = struct.unpack_from("<4Q", data, position)
            lanes = [mix(lane, word) for lane, word in zip(lanes, words, strict=True)]
            position += 32
        value = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            value = ((value ^ mix(0, lane)) * PRIMES[0] + PRIMES[3]) & MASK
    value = (value + len(data)) & MASK
    while len(data) - position >= 8:
        value = rotate(value ^ mix(0, struct.unpack_from("<Q", data, position)[0]), 27)
        value = (value * PRIMES[0] + PRIMES[3]) & MASK
        position += 8
    if len(data) - position >= 4:
        value ^= struct.unpack_from("<I", data, position)[0] * PRIMES[0] & MASK
        value = (rotate(value, 23) * PRIMES[1] + PRIMES[2]) & MASK
        position += 4
    for byte in data[position:]:
        value = rotate(value ^ (byte * PRIMES[4] & MASK), 11) * PRIMES[0] & MASK
    value = (value ^ value >> 33) * PRIMES[1] & MASK
    value = (value ^ value >> 29) * PRIMES[2] & MASK
    return value ^ value >> 32


class Table:
    """The packed fields of one table."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, layout: str) -> list:
        fields = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return list(fields)

    def one(self, layout: str):
        return self.take(layout)[0]

    def text(self) -> str:
        length = self.one("I")
        self.position += length
        return self.data[self.position - length : self.position].decode()

    def reserved(self, count: int) -> None:
        assert self.take(f"{count}B") == [0] * count

    def end(self) -> None:
        assert self.position == len(self.data)


def read_sections(file: bytes) -> list[tuple[int, bytes]]:
    magic, header_size, version, size, count = struct.unpack_from("<8sIIQI", file, 0)
    assert version in (1, 2, 3)
    assert magic == b"\x89SQ0%d\r\n\x1a" % version
    assert (header_size, size) == (64, len(file))
    directory_sum, header_sum = struct.unpack_from("<QQ", file, 48)
    assert file[28:48] == bytes(20)
    assert header_sum == xxh64(file[:56])
    assert directory_sum == xxh64(file[64 : 64 + 32 * count])
    end, sections = 64 + 32 * count, []
    for index in range(count):
        kind, reserved, offset, length, checksum = struct.unpack_from("<IIQQQ", file, 64 + 32 * index)
        assert (reserved, offset) == (0, (end + 63) // 64 * 64)
        assert length > 0
        assert file[end:offset] == bytes(offset - end)
        end = offset + length
        assert checksum == xxh64(file[offset:end])
        sections.append((kind, file[offset:end]))
    assert len(file) == (end + 63) // 64 * 64
    assert file[end:] == bytes(len(file) - end)
    assert [kind for kind, _ in sections[:6]] == [1, 2, 3, 4, 5, 6]
    return sections


def real(value: float) -> str:
    """A float64 as the golden text spells it."""
    return repr(value)


def single(value: float) -> str:
    """The shortest text that gives the same float32."""
    if value in (float("inf"), -float("inf")):
        return repr(value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return repr(float(text))
    raise AssertionError(value)


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
    return [f"symbol {table.text()} <= {table.one('I')}" for _ in range(table.one("I"))]


def values(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        name, element_type, rank = table.text(), ELEMENT_TYPES[table.one("B")], table.one("B")
        lines.append(f"value {name} {element_type} {dimensions(table, rank)}")
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
        self.table, self.sections, self.next = table, sections, 6
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
        name, tag, count = table.text(), table.one("B"), table.one("B")
        table.reserved(2)
        inputs, output = table.take(f"{count}I"), table.one("I")
        lines.append(f"node {name} {operation(table, tag)} {inputs} -> {output}")
    return lines


def interface(table: Table) -> list[str]:
    lines = []
    for _ in range(table.one("I")):
        value, has_fill = table.take("IB")
        table.reserved(3)
        fill = table.one("i")
        lines.append(f"input {value} fill {fill if has_fill else 'none'}")
    return lines + [f"output {value}" for value in table.take(f"{table.one('I')}I")]


GOLDEN_FILES = [
    "version1",
    *(f"version2-{part}" for part in ("tensors", "convolutions", "attention", "sums", "bias")),
    *(f"version3-{part}" for part in ("levels", "tied", "decoder")),
]


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_golden_file(name):
    sections = read_sections((GOLDEN / f"{name}.soniq").read_bytes())
    tables = [Table(data) for _, data in sections[:6]]
    lines = metadata(tables[0]) + symbols(tables[1]) + values(tables[2])
    lines += Constants(tables[3], sections).read()
    lines += nodes(tables[4]) + interface(tables[5])
    for table in tables:
        table.end()
    assert lines == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")


def test_example_of_a_weight_tile():
    """The example of section 7 of the specification."""
    codes = [[128, 129, 127, 0, 255], [1, 2, 3, 4, 5]]
    tiles = bytearray(128)
    for output, row in enumerate(codes):
        for channel, code in enumerate(row):
            tiles[channel // 4 * 64 + output * 4 + channel % 4] = (code - 128) & 0xFF
    assert tiles[:8].hex() == "0001ff8081828384"
    assert (tiles[64], tiles[68]) == (0x7F, 0x85)
    assert [sum(code - 128 for code in row) for row in codes] == [-1, -625]


def test_operations_json_is_what_the_packer_prints():
    printed = subprocess.run(
        [os.environ.get("SONIQ_PACK", "soniq-pack"), "format"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == (DOCS / "operations.json").read_text(encoding="utf-8")


def test_the_tables_of_the_specification_follow():
    subprocess.run([sys.executable, DOCS.parent / ".ci" / "format-tables", "--check"], check=True)
