"""The fields of a .soniq file, its sections and its checksums: see format_reader.py."""

import struct

MASK = (1 << 64) - 1
PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
KINDS = {1: "bipolar", 2: "affine"}


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
