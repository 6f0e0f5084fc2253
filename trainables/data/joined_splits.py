"""Joins several encoded splits of one task (its languages) into one sequence of examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: encoded values are the kind's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.columns import Example
from trainables.data.encoded_split import EncodedTask

if TYPE_CHECKING:
    import torch


class JoinedTask:
    """The examples of several splits, one split after the other; a batch can hold examples of several splits.

    Args:
        parts: Name (a language) -> its encoded split; at least one, all of the same task.
    """

    def __init__(self, parts: Mapping[str, EncodedTask]) -> None:
        self._parts = list(parts.values())
        self._names = list(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])
        self.lengths: NDArray[np.int32] = np.concatenate([part.lengths for part in self._parts])

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def pad_id(self) -> int:
        """Number of the padding token."""
        return self._parts[0].pad_id

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the tensors of a batch of examples.

        Args:
            indices: Numbers of the examples, at least one.
            generator: Random numbers of this batch.
        """
        numbers = np.asarray(indices)
        parts = np.searchsorted(self._ends, numbers, side="right")
        starts = self._ends - [len(part) for part in self._parts]
        examples: list[Example] = [
            self._parts[part].example(int(number - starts[part])) for part, number in zip(parts, numbers, strict=True)
        ]
        return self._parts[0].collate(examples, generator=generator)

    def token_ids(self) -> Iterator[NDArray[np.int32]]:
        """Yield the token numbers of each example, for kinds with one text in an example."""
        for part in self._parts:
            yield from part.columns["input_ids"]

    def split(self, outputs: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
        """Return name -> outputs of that part's examples, from the outputs of all examples."""
        return {name: {key: values[place] for key, values in outputs.items()} for name, place in self.places().items()}

    def places(self) -> dict[str, slice]:
        """Return name -> where that part's examples stand among all."""
        ends = [0, *self._ends.tolist()]
        return {name: slice(*place) for name, *place in zip(self._names, ends[:-1], ends[1:], strict=True)}
