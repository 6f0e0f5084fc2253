"""Queries and candidates: which candidate belongs to a query, told by the nearness of the encoder's states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np

from trainables.tasks.kinds.text import accuracy, checked_texts, encode_texts, padded, with_row_numbers
from trainables.tasks.metrics.nearest import ranked, similarities

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

QUERY, CANDIDATE = 0, 1
"""Values of the encoded column `side`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The queries and the candidates of one split in one language."""

    queries: NDArray[np.int64]
    """Numbers of the queries among the examples, Q."""
    candidates: NDArray[np.int64]
    """Numbers of the candidates, C."""
    right_QC: NDArray[np.bool_]
    """Whether a candidate answers a query: they have one link."""

    @classmethod
    def of(cls, examples: Columns) -> Pool:
        """Return the pool of encoded columns."""
        sides, links = np.asarray(examples["side"]), np.array([str(link) for link in examples["link"]])
        queries, candidates = np.flatnonzero(sides == QUERY), np.flatnonzero(sides == CANDIDATE)
        right_QC = links[queries][:, None] == links[candidates][None, :]
        return cls(queries=queries, candidates=candidates, right_QC=right_QC)


class TextRetrieval:
    """Kind of a task whose rows are `query`, `candidate`; scored by the accuracy of the nearest candidate.

    A row with both is a gold pair; one with a query or a candidate alone (the other is null) is in the pool without a
    partner. With a column `link`, every query is answered by all candidates with its link. An example is one text.
    """

    name: KindName = "text_retrieval"
    required_columns: tuple[str, ...] = ("query", "candidate")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return for each text `input_ids`, `length`, `side`, `link` (a text that partners share), `row`.

        Raises:
            TaskDataError: A text is not text.
        """
        rows = with_row_numbers(rows)
        links = rows.get("link", rows["row"])
        texts: list[str] = []
        found: dict[str, list[Any]] = {"side": [], "link": [], "row": []}
        for side, column in ((QUERY, "query"), (CANDIDATE, "candidate")):
            kept = [number for number, text in enumerate(rows[column]) if text is not None]
            texts += checked_texts({column: [rows[column][number] for number in kept]}, column=column, context=context)
            found["side"] += [side] * len(kept)
            found["link"] += [str(links[number]) for number in kept]
            found["row"] += [rows["row"][number] for number in kept]
        input_ids = encode_texts(texts, context=context)
        return {"input_ids": input_ids, "length": [len(ids) for ids in input_ids], **found}

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`."""
        return padded([example["input_ids"] for example in examples], context=context)

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the share (0..1) of answerable queries whose nearest candidate by cosine answers them.

        Args:
            outputs: `vectors` (B x D).
            examples: The encoded columns.
            spec: Not read: other metrics are an evaluation's (`trainables/evaluation/scoring.py`).

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec
        pool = Pool.of(examples)
        answerable = pool.right_QC.any(axis=1)
        vectors = outputs["vectors"]
        near_QC = similarities(vectors[pool.queries[answerable]], candidates_CD=vectors[pool.candidates], kind="cosine")
        right = np.take_along_axis(pool.right_QC[answerable], ranked(near_QC)[:, :1], axis=1)[:, 0]
        return accuracy(right.astype(np.int64), labels=[1] * len(right))
