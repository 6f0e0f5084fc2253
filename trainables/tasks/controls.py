"""Controls: tasks that derive from another and lack what is being tested. No torch here.

Their names are the base task's name and the control's: `nlvr@shuffled`, with another seed `nlvr@shuffled7`.

    shuffled        images (or, of a text task, labels) permuted over the training split: what the pairing gives
    captions_only   the text of an image task without its images, as classification where it has classes and as masked
                    LM where it has none: what the images give
    captions_mlm    that text as masked LM, classes or not
    equal_compute   the target's own task as intermediate task: what more steps alone give

A control's dev split is the base task's own, unpermuted: its score says what was learnt in spite of the control.
"""

from __future__ import annotations

import re

from trainables.errors import InputError, UnknownTaskError
from trainables.tasks.spec import Control, ControlName, KindName, MaskingPolicy, TaskSpec

CONTROLS: tuple[ControlName, ...] = ("shuffled", "captions_only", "captions_mlm", "equal_compute")
"""Every control."""

_NAME = re.compile(r"^(?P<base>[a-z0-9_]+)@(?P<control>[a-z_]+)(?P<seed>\d+)?$")

_CAPTIONS: dict[KindName, str] = {
    "image_classification": "hypothesis",
    "image_pair_classification": "hypothesis",
    "image_text_retrieval": "caption",
    "visual_question_answering": "question",
}
"""Kind with images -> the column of its text."""


def is_control_name(name: str) -> bool:
    """Return whether a name is written as a control's."""
    return "@" in name


def split_control_name(name: str) -> tuple[str, ControlName, int]:
    """Return base task, control and seed of a name like `nlvr@shuffled7`.

    Raises:
        UnknownTaskError: There is no such control.
        InputError: It has a seed and the control does not draw.
    """
    match = _NAME.match(name)
    written = match["control"] if match else ""
    control: ControlName | None = next((one for one in CONTROLS if one == written), None)
    if match is None or control is None:
        base = name.partition("@")[0]
        raise UnknownTaskError(name, [f"{base}@{one}" for one in CONTROLS])
    if match["seed"] and control != "shuffled":
        msg = f"task {name!r}: a seed has no effect on {control}, which draws nothing; write {match['base']}@{control}"
        raise InputError(msg)
    return match["base"], control, int(match["seed"] or 0)


def derived(base: TaskSpec, *, name: str, control: ControlName, seed: int = 0) -> TaskSpec:
    """Return the control of a task.

    Args:
        base: The task.
        name: The control's full name.
        control: Which one.
        seed: Of the permutation.

    Raises:
        InputError: The task has nothing that this control takes away.
    """
    fields: dict[str, object] = {"name": name, "control": Control(kind=control, of=base.name, seed=seed)}
    if control == "shuffled":
        _check_can_be_shuffled(base, name=name)
    if control in {"captions_only", "captions_mlm"}:
        fields |= _captions(base, name=name, as_classes=control == "captions_only")
    return base.model_copy(update=fields)


def controls_of(base: TaskSpec) -> tuple[str, ...]:
    """Return the names of the controls that can be made of a task, without seeds; none of one that is not trained."""
    return tuple(f"{base.name}@{one}" for one in CONTROLS if "train" in base.splits and _can_be_made(base, control=one))


def _can_be_made(base: TaskSpec, *, control: ControlName) -> bool:
    try:
        derived(base, name=f"{base.name}@{control}", control=control)
    except InputError:
        return False
    return True


def base_of(spec: TaskSpec) -> TaskSpec:
    """Return the task whose examples a control has: itself, but for `shuffled` and `equal_compute` its base."""
    control = spec.control
    if control is None or control.kind not in {"shuffled", "equal_compute"}:
        return spec
    return spec.model_copy(update={"name": control.of, "control": None})


def _check_can_be_shuffled(base: TaskSpec, *, name: str) -> None:
    if not base.has_images and "label" not in base.columns:
        msg = (
            f"task {name!r}: {base.name!r} ({base.kind}) has neither images nor class labels, and `shuffled` permutes "
            "one of them; choose another task, or compare with equal_compute"
        )
        raise InputError(msg)


def _captions(base: TaskSpec, *, name: str, as_classes: bool) -> dict[str, object]:
    column = _CAPTIONS.get(base.kind)
    if column is None:
        known = ", ".join(sorted(_CAPTIONS))
        msg = f"task {name!r}: {base.name!r} is {base.kind}; captions are taken from kinds {known}; choose such a task"
        raise InputError(msg)
    if as_classes and base.labels:
        columns = {"premise": base.columns[column], "label": base.columns["label"]}
        return {"kind": "sentence_pair", "columns": columns, "metric": "accuracy"}
    return {
        "kind": "masked_lm",
        "columns": {"text": base.columns[column]},
        "labels": (),
        "label_values": (),
        "num_answers": None,
        "metric": "masked_accuracy",
        "masking": MaskingPolicy(),
    }
