"""A source of JSON lines about images, with the images beside them, in a user's own folder. No torch here."""

from __future__ import annotations

from typing import Literal

from trainables.config.frozen import FrozenModel


class AnnotationSource(FrozenModel):
    """Lines about images as IGLUE's repository lays them out.

    `trainables.data.sources.own_folders.annotations` reads them.

    A language's lines are in `annotations/<language>/<split>.jsonl`, the images in `images`. A column of the task that
    is named `image` holds the image that `image_field` of the line names.
    """

    type: Literal["annotations"] = "annotations"
    variable: str
    """Environment variable that holds the folder. The folder's content is part of keys, its path is not."""
    image_field: str
    """Field of a line with the name of its image."""
    image_ending: str = ""
    """Ending of the image's file, where the field leaves it out."""
