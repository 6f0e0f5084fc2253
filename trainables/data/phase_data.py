"""Opens a task's encoded split for a phase. The examples of a control come from its base task.

A control that permutes needs no encoding of its own: it reads the file of its base task in another order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from trainables.data.encoded_split import EncodedRequest, EncodedTask, open_encoded_task
from trainables.data.language_copies import chained
from trainables.data.shuffled_splits import with_shuffled_images, with_shuffled_labels
from trainables.errors import TaskDataError
from trainables.number_words import number_of
from trainables.tasks.controls import base_of


def open_task(request: EncodedRequest, *, languages: Sequence[str]) -> EncodedTask:
    """Return the encoded split of a task or control, in one language or several.

    Args:
        request: Which examples of each language are read, and how they are encoded.
        languages: At least one; the examples of each language follow those of the language before.

    Raises:
        TaskDataError: The rows do not fit the task, or there are too few to permute.
        UnavailableError: The task's repository is not in the mirror, the cache or on the hub.
    """
    spec, control = request.spec, request.spec.control
    base = replace(request, spec=base_of(spec))
    task = chained([open_encoded_task(replace(base, language=language)) for language in languages])
    if control is None:
        return task
    task = _renamed(task, request=request)
    if control.kind != "shuffled" or request.split != "train":
        return task
    if len(task) <= 1:
        size = number_of(len(task), "example")
        msg = f"cannot permute task {spec.name!r}: it has {size}, but at least 2 are needed; use more"
        raise TaskDataError(msg)
    permuted = with_shuffled_images if spec.has_images else with_shuffled_labels
    return permuted(task, seed=control.seed)


def _renamed(task: EncodedTask, *, request: EncodedRequest) -> EncodedTask:
    renamed = copy.copy(task)
    renamed.spec = request.spec
    return renamed
