"""Image files and their pixels: images are stored as files and decoded when a batch needs them.

Shapes: B examples, H = W pixels of the square that images are resized to.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: a raw row's image is whatever its data set holds

import numpy as np
import torch
from PIL import Image

from trainables.errors import TaskDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext


KEPT_BYTES = 256 * 1024 * 1024
"""Maximum size of the decoded images that a process keeps, in bytes."""

_kept: dict[tuple[bytes, int], NDArray[np.uint8]] = {}


def image_files(rows: Columns, *, context: EncodingContext, column: str = "image") -> list[bytes]:
    """Return a column of images as files: PNG or JPEG bytes, unchanged where the source holds files.

    A missing image (null, or a path without a file) becomes an empty file. Nothing is decoded here. When the split is
    written, each distinct file is decoded once as a check (`trainables/data/images.py`).

    Raises:
        TaskDataError: A value cannot be an image.
    """
    return [_as_file(value, number=number, column=column, context=context) for number, value in enumerate(rows[column])]


def image_columns(rows: Columns, *, context: EncodingContext) -> dict[str, list[bytes]]:
    """Return the column `image` as files, or nothing where a task is asked without images.

    Raises:
        TaskDataError: A value cannot be an image.
    """
    return {"image": image_files(rows, context=context)} if "image" in rows else {}


def image_tensors(
    examples: Sequence[Mapping[str, Any]], *, context: CollateContext, columns: Sequence[str] = ("image",)
) -> dict[str, torch.Tensor]:
    """Return the tensors of the examples' images.

    Returns:
        `image_features_BKV` where the columns hold features that a frozen tower computed before
        (`trainables/training/vision_features.py`), with the tokens of several images concatenated; else
        `pixel_values_B3HW`, or `pixel_values_BN3HW` where an example has N > 1 images. Nothing where the examples have
        no images: their task is asked without images.

    Raises:
        TaskDataError: The context has no image size.
    """
    if columns[0] not in examples[0]:
        return {}
    images = [[example[column] for column in columns] for example in examples]
    if not isinstance(images[0][0], bytes):
        features_BKV = np.stack([np.concatenate(features) for features in images])
        return {"image_features_BKV": torch.from_numpy(features_BKV)}
    if len(columns) == 1:
        return {"pixel_values_B3HW": pixel_values([file for (file,) in images], context=context)}
    flat = pixel_values([file for files in images for file in files], context=context)
    return {"pixel_values_BN3HW": flat.unflatten(0, (len(images), len(columns)))}


def pixel_values(files: Sequence[bytes], *, context: CollateContext) -> torch.Tensor:
    """Return image files as normalised pixels, float32, shape [B, 3, H, W].

    Transparent parts become white. Every image is resized to a square by PIL's bilinear filter, whatever its shape.

    Raises:
        TaskDataError: The context has no image size.
    """
    size = context.image_size
    if size is None:
        msg = (
            f"cannot batch task {context.spec.name!r}: image_size is None, but tasks with images need it (in pixels); "
            "open the encoded task with the vision tower's PixelFormat"
        )
        raise TaskDataError(msg)
    # PIL lets other threads of Python run while it decodes.
    squares_BHW3 = np.stack(list(_decoders().map(partial(kept_square, size=size), files)))
    return normalised(squares_BHW3, mean=context.image_mean, std=context.image_std)


def normalised(
    squares_BHW3: NDArray[np.uint8], *, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> torch.Tensor:
    """Return decoded squares as normalised pixels: (pixel - `mean`) / `std` in each channel."""
    mean_311, std_311 = (np.array(values, np.float32)[:, None, None] for values in (mean, std))
    # Numpy, not torch: batches are made while training runs, and torch's threads would compete with the engine's.
    pixels_B3HW = np.ascontiguousarray(squares_BHW3.transpose(0, 3, 1, 2)).astype(np.float32)
    pixels_B3HW *= 1 / (255 * std_311)
    pixels_B3HW -= mean_311 / std_311
    return torch.from_numpy(pixels_B3HW)


def why_unreadable(file: bytes) -> str | None:
    """Return why an image file cannot be decoded, or None when it can."""
    try:
        with Image.open(io.BytesIO(file)) as image:
            image.draft("RGB", (1, 1))  # reads all of a JPEG, at an eighth of its size: enough to find a truncated file
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__
    return None


def kept_square(file: bytes, *, size: int) -> NDArray[np.uint8]:
    """Return the result of `decode_square` from a cache of `KEPT_BYTES`: decoding costs far more than reading."""
    key = (hashlib.blake2b(file, digest_size=16).digest(), size)
    square = _kept.get(key)
    if square is None:
        square = decode_square(file, size=size)
        if len(_kept) * square.nbytes > KEPT_BYTES:
            _kept.clear()
        _kept[key] = square
    return square


@lru_cache(maxsize=1)
def _decoders() -> ThreadPoolExecutor:
    """Return the threads that decode; they are fewer than the cores, which the training needs too."""
    return ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)) // 2), thread_name_prefix="decoder")


def decode_square(file: bytes, *, size: int) -> NDArray[np.uint8]:
    """Return an image file as `size` x `size` x 3 bytes, on a white background."""
    image = Image.open(io.BytesIO(file))
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def _as_file(value: Any, *, number: int, column: str, context: EncodingContext) -> bytes:
    """Return an image file from bytes, from a PIL image, or from the hub's struct of bytes and path."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        path = Path(fields["path"]) if fields.get("path") else None
        value = fields.get("bytes") or (path.read_bytes() if path is not None and path.is_file() else None)
    if value is None:
        return b""
    if isinstance(value, Image.Image):
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return buffer.getvalue()
    if not isinstance(value, bytes):
        msg = (
            f"cannot encode task {context.spec.name!r}: column {column!r} holds {type(value).__name__} in row {number} "
            "of this batch, but must hold an image file (PNG, JPEG) or a PIL image; correct `columns` or the data"
        )
        raise TaskDataError(msg)
    return value
