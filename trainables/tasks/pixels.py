"""Images in and out of batches: stored as the files they came as, decoded when a batch needs them.

Shapes: B examples, H = W pixels of the square that images are scaled to.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: a raw row's image is whatever its data set holds

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from trainables.errors import TaskDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kind import CollateContext, Columns, EncodingContext


KEPT_BYTES = 256 * 1024 * 1024
"""Most bytes of decoded images that a process keeps."""

_kept: dict[tuple[bytes, int], NDArray[np.uint8]] = {}


def image_files(rows: Columns, *, context: EncodingContext) -> list[bytes]:
    """Return the `image` column as files: PNG or JPEG bytes, unchanged where the source has them.

    Raises:
        TaskDataError: A value is no image.
    """
    return [_as_file(value, number=number, context=context) for number, value in enumerate(rows["image"])]


def pixel_values(examples: Sequence[Mapping[str, Any]], *, context: CollateContext) -> torch.Tensor:
    """Return the examples' images as normalised pixels, float32, shape [B, 3, H, W].

    An image is laid on white where it is transparent, and scaled to a square by PIL's bilinear filter whatever its
    shape.

    Raises:
        TaskDataError: The context has no image size.
    """
    size = context.image_size
    if size is None:
        msg = (
            f"cannot batch task {context.spec.name!r}: image_size is None, and tasks with images need it in pixels; "
            "open the encoded task with the vision tower's PixelFormat"
        )
        raise TaskDataError(msg)
    squares_BHW3 = np.stack([kept_square(example["image"], size=size) for example in examples])
    mean_311, std_311 = (
        np.array(values, np.float32)[:, None, None] for values in (context.image_mean, context.image_std)
    )
    # Numpy, not torch: batches are made beside training, and torch's threads would fight with the engine's.
    pixels_B3HW = np.ascontiguousarray(squares_BHW3.transpose(0, 3, 1, 2)).astype(np.float32)
    pixels_B3HW *= 1 / (255 * std_311)
    pixels_B3HW -= mean_311 / std_311
    return torch.from_numpy(pixels_B3HW)


def kept_square(file: bytes, *, size: int) -> NDArray[np.uint8]:
    """Return `decode_square`, kept for later epochs while `KEPT_BYTES` allow: decoding costs far more than reading."""
    key = (hashlib.blake2b(file, digest_size=16).digest(), size)
    square = _kept.get(key)
    if square is None:
        square = decode_square(file, size=size)
        if len(_kept) * square.nbytes > KEPT_BYTES:
            _kept.clear()
        _kept[key] = square
    return square


def decode_square(file: bytes, *, size: int) -> NDArray[np.uint8]:
    """Return an image file as `size` x `size` x 3 bytes, on white."""
    image = Image.open(io.BytesIO(file))
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def _as_file(value: Any, *, number: int, context: EncodingContext) -> bytes:
    """Return an image file from bytes, a PIL image, or the hub's struct of bytes and path."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        value = fields.get("bytes") or (Path(fields["path"]).read_bytes() if fields.get("path") else None)
    if isinstance(value, Image.Image):
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return buffer.getvalue()
    try:
        Image.open(io.BytesIO(value)).close()
    except (TypeError, UnidentifiedImageError) as error:
        msg = (
            f"cannot encode task {context.spec.name!r}: column 'image' holds {type(value).__name__} at row {number} of "
            "this batch, which is no image file (PNG, JPEG) or PIL image; correct the task's `columns` or its data"
        )
        raise TaskDataError(msg) from error
    return value
