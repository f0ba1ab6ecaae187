"""Pictures of text: made up to calibrate on, and the page that the example reads when it is given none."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = """quality invoice total street number delivered thank coffee window garden 24.90 17% order no. 20391 Mr. Taylor
Monday morning receipt balance Reading Station platform 9 please return this part with your payment CASH Visa open daily
kilograms fresh bread milk butter paper within thirty days (EU) fax +44 20 7946 0011 www.example.org SALE
half price""".split()
RECEIPT = """THE CORNER BAKERY
12 Mill Lane, Oxford
Tel. +44 1865 490 012

Sourdough loaf        4.20
2 x Flat white        7.60
Cinnamon bun          3.15
Oat milk 1 l          2.40

TOTAL GBP            17.35
Card **** 4821       17.35

28 November 2026   09:41
Thank you. See you soon!"""


def line(random: np.random.Generator, height: int, width: int) -> Image.Image:
    """A few words that fill a line of this size."""
    paper, ink = int(random.integers(190, 256)), int(random.integers(0, 90))
    picture = Image.new("RGB", (width, height), (paper, paper, paper))
    words = " ".join(random.choice(WORDS, 6))
    font = ImageFont.load_default(int(height * random.uniform(0.5, 0.75)))
    ImageDraw.Draw(picture).text((int(random.integers(2, 12)), height // 8), words, (ink, ink, ink), font)
    return grainy(picture, random)


def page(random: np.random.Generator, side: int) -> Image.Image:
    """Lines of words of several sizes on paper, square."""
    paper = [int(level) for level in random.integers(170, 256, 3)]
    picture = Image.new("RGB", (side, side), tuple(paper))
    draw, top = ImageDraw.Draw(picture), int(random.integers(5, 40))
    while top < side - 20:
        size = int(random.integers(14, 44))
        ink = [int(level) for level in random.integers(0, 110, 3)]
        words = " ".join(random.choice(WORDS, int(random.integers(1, 7))))
        draw.text((int(random.integers(5, side // 2)), top), words, tuple(ink), ImageFont.load_default(size))
        top += int(size * random.uniform(1.2, 3))
    return grainy(picture, random)


def receipt() -> Image.Image:
    """A receipt under uneven light."""
    random = np.random.default_rng(7)
    picture = Image.new("RGB", (460, 640), (236, 231, 222))
    draw = ImageDraw.Draw(picture)
    for place, text in enumerate(RECEIPT.split("\n")):
        size = 30 if place == 0 else 22
        name, _, price = text.partition("   ")
        draw.text((40, 36 + 42 * place), name, (40, 38, 44), ImageFont.load_default(size))
        draw.text((330, 36 + 42 * place), price.strip(), (40, 38, 44), ImageFont.load_default(size))
    shade = np.linspace(0.72, 1.0, 460)[None, :, None] * np.linspace(1.0, 0.85, 640)[:, None, None]
    return grainy(Image.fromarray((np.asarray(picture) * shade).astype(np.uint8)), random)


def grainy(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    noisy = np.asarray(picture, np.float32) + random.normal(0, 4, (picture.height, picture.width, 1))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
