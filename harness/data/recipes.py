"""What a captured model is run on: one row per recipe, made from the images of the ``sample-images`` asset.

A recipe yields the feeds of one ONNX model. Its ``revision`` is raised whenever its feeds change, which makes older
captures in the cache unused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Feed = dict[str, NDArray[np.generic]]

TEXT_LINE_SIZE = (320, 48)  # width and height that PP-OCRv4's recognition is trained on


@dataclass(frozen=True)
class TextLine:
    """A band of an image that holds a line of text, cut into ``crops`` overlapping crops of the model's aspect."""

    image: str
    top: int
    height: int
    crops: int


@dataclass(frozen=True)
class Recipe:
    """A row of ``RECIPES``. ``feeds`` takes the asset's folder."""

    name: str
    revision: int
    asset: str
    feeds: Callable[[Path], Iterator[Feed]]


# Tops and heights were read off the images: seven printed lines of page.png, three handwritten bands of text.png.
TEXT_LINES = (
    *(TextLine("page.png", top, height, 7) for top, height in ((8, 32), (45, 24), (66, 24), (86, 24), (106, 24))),
    *(TextLine("page.png", top, height, 7) for top, height in ((124, 24), (166, 24))),
    *(TextLine("text.png", top, height, 5) for top, height in ((0, 48), (56, 52), (112, 56))),
)
PHOTOGRAPHS = (
    *("page.png", "text.png", "coffee.png", "astronaut.png", "chelsea.png", "rocket.jpg", "camera.png", "coins.png"),
    *("clock_motion.png", "motorcycle_left.png", "motorcycle_right.png"),
)


def text_line_feeds(folder: Path) -> Iterator[Feed]:
    """One feed a line: float32 [crops, 3, 48, 320], pixels scaled to (x/255 - 0.5) / 0.5 (PaddleOCR, RecResizeImg)."""
    for line in TEXT_LINES:
        with Image.open(folder / line.image) as image:
            grey = image.convert("L")
        width = round(line.height * TEXT_LINE_SIZE[0] / TEXT_LINE_SIZE[1])
        crops = []
        for number in range(line.crops):
            left = (grey.width - width) * number // (line.crops - 1)
            crop = grey.crop((left, line.top, left + width, line.top + line.height))
            crops.append(np.asarray(crop.resize(TEXT_LINE_SIZE, Image.Resampling.BILINEAR), np.float32))
        pixels = (np.stack(crops)[:, None] / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
        yield {"x": np.repeat(pixels, 3, axis=1)}


def photograph_feeds(folder: Path) -> Iterator[Feed]:
    """One feed an image: float32 [1, 3, h, w], blue first, h and w rounded to multiples of 32, ImageNet's mean and
    standard deviation (PaddleOCR, NormalizeImage)."""
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    std = np.array([0.229, 0.224, 0.225], np.float32)
    for name in PHOTOGRAPHS:
        with Image.open(folder / name) as image:
            size = (max(1, round(image.width / 32)) * 32, max(1, round(image.height / 32)) * 32)
            colours = image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(colours, np.float32)[..., ::-1] / np.float32(255)
        yield {"x": np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)[None])}


_ROWS = (
    Recipe("text-lines", 1, "sample-images", text_line_feeds),
    Recipe("photographs", 1, "sample-images", photograph_feeds),
)
RECIPES: dict[str, Recipe] = {row.name: row for row in _ROWS}
