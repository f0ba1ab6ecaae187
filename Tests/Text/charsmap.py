"""SentencePiece's tables of what characters are written as, made of a dictionary."""

from __future__ import annotations

import struct
import unicodedata

LEAF, HAS_LEAF = 1 << 31, 1 << 8


def _pairs() -> dict[str, str]:
    """Of form KC what a table of SentencePiece has: single characters and short clusters; white space and controls."""
    pairs = {}
    for code in [*range(0xA0, 0x2000), *range(0x2000, 0x3400), *range(0xF900, 0xFFE7), *range(0x1D400, 0x1D7FF)]:
        letter = chr(code)
        written = unicodedata.normalize("NFKC", letter)
        if written != letter and unicodedata.category(letter) != "Cn":
            pairs[letter] = written
    for base in "aeiouAEIOUnc":
        for accent in "\u0300\u0301\u0302\u0303\u0308\u0327":
            written = unicodedata.normalize("NFC", base + accent)
            if len(written) == 1:
                pairs[base + accent] = written
    pairs |= dict.fromkeys(["\t", "\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\u200b"], " ")
    pairs |= dict.fromkeys(["\x01", "\x7f", "\u200d", "\ufeff"], "")
    return pairs


CHARACTERS = _pairs()


def compiled(pairs: dict[str, str]) -> bytes:
    """The trie, in a double array, and the texts."""
    texts, places = bytearray(), {}
    for written in sorted(set(pairs.values())):
        places[written] = len(texts)
        texts += written.encode() + b"\0"
    tree: dict[int, dict] = {}
    for letter, written in pairs.items():
        node = tree
        for byte in letter.encode():
            node = node.setdefault(byte, {})
        node[0] = places[written]
    units = _array(tree)
    return struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + bytes(texts)


def _array(tree: dict[int, dict]) -> list[int]:
    """The children of a node stand at its base xor their bytes; no two nodes have the same base."""
    units: dict[int, int] = {}
    used: set[int] = {0}
    bases: set[int] = set()
    first_free = 1

    def fitting(node: dict) -> int:
        first, slot = min(node), first_free
        while (base := slot ^ first) in bases or any(base ^ byte in used for byte in node):
            slot += 1
        return base

    def place(node: dict, own: int, label: int) -> None:
        nonlocal first_free
        base = fitting(node)
        bases.add(base)
        used.update(base ^ byte for byte in node)
        # Few places are free that far back; trying them all would take a time quadratic in the nodes.
        first_free = max(first_free, (base ^ min(node)) - 256)
        units[own] = (own ^ base) << 10 | (HAS_LEAF if 0 in node else 0) | label
        for byte, child in sorted(node.items()):
            if byte == 0:
                units[base] = LEAF | child
            else:
                place(child, base ^ byte, byte)

    place(tree, 0, 0)
    size = (max(units) | 255) + 1
    # Distances have 21 bits.
    assert size <= 1 << 21
    return [units.get(index, 0) for index in range(size)]
