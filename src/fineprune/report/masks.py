"""Masks as images: what a matrix keeps, block by block."""

import io
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_MOST_PIXELS = 1_400_000
"""Of all images of a page together. At four bits each, and little of that told, BERT-base's take
less than a megabyte."""

_SHADES = 16
_BLOCKS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class MaskImage:
    """A matrix's mask, drawn.

    Attributes:
        name: of the matrix.
        block: side of the square of weights that is a pixel.
        shades: of each pixel, of shape `(rows, columns)`: 0 where nothing is kept, to 15.
    """

    name: str
    block: int
    shades: NDArray[np.uint8]


def block_for(masks: Iterable[Mask], models: int) -> int:
    """The smallest block with which all masks of a page are small enough.

    Args:
        masks: of one model.
        models: that share the page.
    """
    cells = sum(mask.size for mask in masks)
    fitting = (side for side in _BLOCKS if cells / side**2 * models <= _MOST_PIXELS)
    return next(fitting, _BLOCKS[-1])


def image_of(name: str, mask: Mask, block: int) -> MaskImage:
    """Draws a mask.

    A pixel is as bright as its block is dense, against the densest but for the densest hundredth:
    sparse matrices would all be dark otherwise. What keeps one weight is brighter than nothing.
    """
    shares = _shares(mask, block)
    some = shares[shares > 0]
    full = float(np.quantile(some, 0.99)) if some.size else 1.0
    shades = np.ceil(np.minimum(shares / full, 1.0) * (_SHADES - 1))
    return MaskImage(name, block, shades.astype(np.uint8))


def _shares(mask: Mask, block: int) -> NDArray[np.float64]:
    """Kept weights over all in each block; those at the edges may be smaller."""
    rows, columns = (ceil(size / block) for size in mask.shape)
    starts = [np.arange(count) * block for count in (rows, columns)]
    kept = np.add.reduceat(np.add.reduceat(mask.astype(np.int64), starts[0], 0), starts[1], 1)
    heights, widths = (
        np.diff(start, append=size) for start, size in zip(starts, mask.shape, strict=True)
    )
    shares: NDArray[np.float64] = kept / np.outer(heights, widths)
    return shares


def to_data_url(image: MaskImage) -> str:
    """The image as a PNG of 16 shades, to stand in a page's text.

    From dark blue, where nothing is kept, to yellow: the colours of the map cividis, which people
    with any kind of colour vision tell apart, on light and dark pages.
    """
    # Here, because only pages need them.
    import matplotlib
    from PIL import Image

    colors = matplotlib.colormaps["cividis"](np.linspace(0.0, 1.0, _SHADES))[:, :3]
    picture = Image.fromarray(image.shades, mode="P")
    picture.putpalette((255 * colors).astype(np.uint8).tobytes())
    stream = io.BytesIO()
    picture.save(stream, "PNG", bits=4, optimize=True)
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode('ascii')}"
