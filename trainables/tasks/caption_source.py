"""A source of photographs with captions in several languages, in a user's own folder. No torch here."""

from __future__ import annotations

from typing import Literal

from trainables.config.frozen import FrozenModel


class CaptionSource(FrozenModel):
    """Captions as Multi30K lays them out, beside the photographs.

    `trainables.data.sources.own_folders.captions` reads them.

    `data/task1/image_splits/<split>.txt` names a photograph in each line, and `data/task1/raw/<split>.<language>` (or
    the same name with `.gz`) holds its caption in the same line. The photographs are in `flickr30k-images`.
    """

    type: Literal["captions"] = "captions"
    variable: str
    """Environment variable that holds the folder. The folder's content is part of keys, its path is not."""
