"""Every folder, by family."""

from case import Case

from . import bert, images, jina, placed, sound


def cases() -> dict[str, Case]:
    return {name: case for family in (bert, placed, jina, images, sound) for name, case in family.cases().items()}
