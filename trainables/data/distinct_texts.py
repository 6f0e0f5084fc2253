"""The distinct texts of a stream, so that a pool of candidates that languages share is predicted once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: encoded values are the kind's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.joined_splits import JoinedTask

if TYPE_CHECKING:
    import torch


class DistinctTexts:
    """The examples of a stream of kind `text_retrieval` without repetitions: texts with the same tokens are one.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: JoinedTask) -> None:
        numbers: dict[bytes, int] = {}
        self._stream = stream
        self._numbers = np.array(
            [numbers.setdefault(np.asarray(ids, dtype=np.int32).tobytes(), len(numbers)) for ids in stream.token_ids()],
            dtype=np.int64,
        )
        _, self._firsts = np.unique(self._numbers, return_index=True)
        self.lengths: NDArray[np.int32] = stream.lengths[self._firsts]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def pad_id(self) -> int:
        """Number of the padding token."""
        return self._stream.pad_id

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the tensors of a batch of texts.

        Args:
            indices: Numbers of the distinct texts, at least one.
            generator: Random numbers of this batch.
        """
        return self._stream.batch(self._firsts[np.asarray(indices)], generator=generator)

    def split(self, outputs: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """Yield each part's name and the outputs of its examples, from those of the distinct texts.

        One part is in memory at a time: a pool of a million candidates is in each.
        """
        for name, place in self._stream.places().items():
            yield name, {key: values[self._numbers[place]] for key, values in outputs.items()}
