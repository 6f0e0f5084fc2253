"""Kind `text_retrieval`: queries and candidates, matched by the similarity of the encoder's states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np

from trainables.tasks.kinds.text_batches import accuracy, checked_texts, encode_texts, padded, with_row_numbers
from trainables.tasks.metrics.nearest import nearest

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
    right: Sequence[Sequence[int]]
    """For each query, the numbers of the right candidates among the candidates: those that share a link with it."""

    @classmethod
    def of(cls, examples: Columns) -> Pool:
        """Return the pool of encoded columns."""
        sides, links = np.asarray(examples["side"]), _links(examples)
        queries, candidates = np.flatnonzero(sides == QUERY), np.flatnonzero(sides == CANDIDATE)
        by_link: dict[str, list[int]] = {}
        for number, example in enumerate(candidates):
            for link in links[example]:
                by_link.setdefault(link, []).append(number)
        right = [sorted({number for link in links[example] for number in by_link.get(link, [])}) for example in queries]
        return cls(queries=queries, candidates=candidates, right=right)


class TextRetrieval:
    """Kind of a task whose rows are `query`, `candidate`; scored by the accuracy of the nearest candidate.

    A row with both is a gold pair. A row with only a query or only a candidate (the other is null) adds a text without
    a partner to the pool. With a column `link`, all candidates with the link of a query are right for it; with a column
    `links`, all candidates that share one of its links. An example is one text.
    """

    name: KindName = "text_retrieval"
    required_columns: tuple[str, ...] = ("query", "candidate")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return for each text `input_ids`, `length`, `side`, `link` (a text that partners share) or `links`, `row`.

        Raises:
            TaskDataError: A value is not a text.
        """
        rows = with_row_numbers(rows)
        name = "links" if "links" in rows else "link"
        links = rows["links"] if "links" in rows else list(map(str, rows.get("link", rows["row"])))
        texts: list[str] = []
        found: dict[str, list[Any]] = {"side": [], name: [], "row": []}
        for side, column in ((QUERY, "query"), (CANDIDATE, "candidate")):
            kept = [number for number, text in enumerate(rows[column]) if text is not None]
            texts += checked_texts({column: [rows[column][number] for number in kept]}, column=column, context=context)
            found["side"] += [side] * len(kept)
            found[name] += [links[number] for number in kept]
            found["row"] += [rows["row"][number] for number in kept]
        input_ids = encode_texts(texts, context=context)
        return {"input_ids": input_ids, "length": [len(ids) for ids in input_ids], **found}

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`."""
        return padded([example["input_ids"] for example in examples], context=context)

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the share (0..1) of queries whose nearest candidate by cosine is right.

        Queries without a right candidate in the pool are not counted.

        Args:
            outputs: `vectors` (B x D).
            examples: The encoded columns.
            spec: Not used: `trainables/evaluation/scores.py` computes the other metrics.

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec
        pool = Pool.of(examples)
        answerable = [query for query, candidates in enumerate(pool.right) if candidates]
        vectors = outputs["vectors"]
        near = nearest(vectors[pool.queries[answerable]], candidates_CD=vectors[pool.candidates], kind="cosine", num=1)
        hits = [int(near.numbers_QK[number, 0]) in pool.right[query] for number, query in enumerate(answerable)]
        return accuracy(np.array(hits, dtype=np.int64), labels=[1] * len(hits))


def _links(examples: Columns) -> list[list[str]]:
    """Return the links of each example; one of them shared makes two texts partners."""
    if "links" in examples:
        return [list(map(str, links)) for links in examples["links"]]
    return [[str(link)] for link in examples["link"]]
