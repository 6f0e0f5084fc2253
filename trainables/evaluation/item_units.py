"""Finds which items of a split share a premise or a paragraph, from what is encoded.

Such items are not independent: XNLI has three hypotheses to each premise, XQuAD about five questions to each paragraph.
A unit is named by its first item.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import cast

from trainables.data.encoded_split import EncodedTask
from trainables.data.images import IndirectColumn


def item_ids(task: EncodedTask) -> dict[int, str]:
    """Return row in the source -> the item's id."""
    rows = [int(row) for row in task.columns["row"]]
    return dict(zip(rows, map(str, task.columns.get("id", rows)), strict=True))


def premise_units(task: EncodedTask) -> dict[int, str]:
    """Return row in the source -> name of its premise's unit; empty for a kind without premises. An image is one.

    The premise is what stands before the first separator. The template's last token is the separator too. A premise
    that was cut off counts as another one.
    """
    if task.spec.kind == "image_classification" and task.spec.has_images:
        images = cast("IndirectColumn", task.columns["image"])
        return _units(task, shared=images.numbers.tolist())
    if task.spec.kind != "sentence_pair" or task.spec.has_images:
        return {}
    pairs = (list(map(int, ids[:length])) for ids, length in zip(task.columns["input_ids"], task.lengths, strict=True))
    return _units(task, shared=(tuple(ids[: ids.index(ids[-1])]) for ids in pairs))


def paragraph_units(task: EncodedTask) -> dict[int, str]:
    """Return row in the source -> name of its paragraph's unit.

    A paragraph is known by its first window, which ends earlier where the question is longer: two windows are of one
    paragraph where one starts with the other.
    """
    texts, seen = list[str](), set[int]()
    for row, text in zip(map(int, task.columns["row"]), task.columns["text"], strict=True):
        texts.append("" if row in seen else str(text))
        seen.add(row)
    roots, root = dict[str, str](), ""
    for text in sorted(set(texts)):  # a text sorts before those that start with it
        root = root if root and text.startswith(root) else text
        roots[text] = root
    return _units(task, shared=(roots[text] for text in texts))


def _units(task: EncodedTask, *, shared: Iterable[Hashable]) -> dict[int, str]:
    """Return row -> unit, by what the row's first example has."""
    ids, firsts, units = item_ids(task), dict[Hashable, str](), dict[int, str]()
    for row, value in zip(map(int, task.columns["row"]), shared, strict=True):
        if row not in units:
            units[row] = firsts.setdefault(value, ids[row])
    return units
