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
from PIL import Image

from trainables.errors import TaskDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext


KEPT_BYTES = 256 * 1024 * 1024
"""Most bytes of decoded images that a process keeps."""

_kept: dict[tuple[bytes, int], NDArray[np.uint8]] = {}


def image_files(rows: Columns, *, context: EncodingContext, column: str = "image") -> list[bytes]:
    """Return a column of images as files: PNG or JPEG bytes, unchanged where the source has them.

    A missing image (null, or a path without a file) is an empty file. Nothing is decoded here: whether the files can
    be is checked once for each distinct one, when the split is written (`trainables/data/images.py`).

    Raises:
        TaskDataError: A value can be no image.
    """
    return [_as_file(value, number=number, column=column, context=context) for number, value in enumerate(rows[column])]


def image_tensors(
    examples: Sequence[Mapping[str, Any]], *, context: CollateContext, columns: Sequence[str] = ("image",)
) -> dict[str, torch.Tensor]:
    """Return what the vision tower, or its head, is given of the examples' images.

    That is `image_features_BKV` where the columns hold features that a frozen tower made before
    (`trainables/training/vision_features.py`), the images' tokens one after the other; else `pixel_values_B3HW`, or
    `pixel_values_BN3HW` where an example has N > 1 images.

    Raises:
        TaskDataError: The context has no image size.
    """
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
    squares_BHW3 = np.stack([kept_square(file, size=size) for file in files])
    return normalised(squares_BHW3, mean=context.image_mean, std=context.image_std)


def normalised(
    squares_BHW3: NDArray[np.uint8], *, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> torch.Tensor:
    """Return decoded squares as pixels whose channels have had `mean` subtracted and been divided by `std`."""
    mean_311, std_311 = (np.array(values, np.float32)[:, None, None] for values in (mean, std))
    # Numpy, not torch: batches are made beside training, and torch's threads would fight with the engine's.
    pixels_B3HW = np.ascontiguousarray(squares_BHW3.transpose(0, 3, 1, 2)).astype(np.float32)
    pixels_B3HW *= 1 / (255 * std_311)
    pixels_B3HW -= mean_311 / std_311
    return torch.from_numpy(pixels_B3HW)


def why_unreadable(file: bytes) -> str | None:
    """Return why an image file cannot be decoded, or None when it can."""
    try:
        with Image.open(io.BytesIO(file)) as image:
            image.draft("RGB", (1, 1))  # a JPEG is read whole, at an eighth of its size: enough to find what is cut
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__
    return None


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


def _as_file(value: Any, *, number: int, column: str, context: EncodingContext) -> bytes:
    """Return an image file from bytes, a PIL image, or the hub's struct of bytes and path."""
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
            f"cannot encode task {context.spec.name!r}: column {column!r} holds {type(value).__name__} at row {number} "
            "of this batch, which is no image file (PNG, JPEG) or PIL image; correct the task's `columns` or its data"
        )
        raise TaskDataError(msg)
    return value
