"""A task's encoded split as a phase reads it: the examples of controls come from the task they derive from.

Nothing is encoded for a control that permutes: it reads its base's file in another order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from trainables.data.copies import chained
from trainables.data.encoded import EncodedRequest, EncodedTask, open_encoded_task
from trainables.data.shuffled import with_shuffled_images, with_shuffled_labels
from trainables.errors import TaskDataError
from trainables.tasks.controls import base_of


def open_task(request: EncodedRequest, *, languages: Sequence[str]) -> EncodedTask:
    """Return an encoded split, of a control too, in one language or several.

    Args:
        request: Which examples of each language, and how they are encoded.
        languages: At least one; each language's examples follow the ones before.

    Raises:
        TaskDataError: The rows do not fit the task, or there are too few to permute.
        UnavailableError: Neither mirror, nor cache, nor hub has the task's repository.
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
        msg = f"cannot permute task {spec.name!r}: it has {len(task)} examples, at least 2 are needed; take more"
        raise TaskDataError(msg)
    permuted = with_shuffled_images if spec.has_images else with_shuffled_labels
    return permuted(task, seed=control.seed)


def _renamed(task: EncodedTask, *, request: EncodedRequest) -> EncodedTask:
    renamed = copy.copy(task)
    renamed.spec = request.spec
    return renamed
