"""Controls: tasks that are derived from another task and lack what is tested. No torch here.

A control's name is made of the base task and the control: `nlvr@shuffled`, or `nlvr@shuffled7` with the seed 7.

    shuffled        Images (or, in a text task, labels) are permuted over the training split.
                    Tests the effect of the pairing.
    captions_only   The text of an image task without its images: classification if the task has classes, else masked
                    LM. Tests the effect of the images.
    captions_mlm    The same text as masked LM, with or without classes.
    equal_compute   The target task itself as intermediate task. Tests the effect of more training steps.

The dev split of a control is that of its base task, not permuted: its score shows what was learnt despite the control.
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
    """Return whether a name has the form of a control's name."""
    return "@" in name


def split_control_name(name: str) -> tuple[str, ControlName, int]:
    """Return base task, control and seed of a name such as `nlvr@shuffled7`.

    Raises:
        UnknownTaskError: There is no such control.
        InputError: The name has a seed, but the control uses no random numbers.
    """
    match = _NAME.match(name)
    written = match["control"] if match else ""
    control: ControlName | None = next((known for known in CONTROLS if known == written), None)
    if match is None or control is None:
        base = name.partition("@")[0]
        raise UnknownTaskError(name, [f"{base}@{known}" for known in CONTROLS])
    if match["seed"] and control != "shuffled":
        rule = f"a seed has no effect on {control}, which uses no random numbers"
        msg = f"task {name!r}: {rule}; write {match['base']}@{control}"
        raise InputError(msg)
    return match["base"], control, int(match["seed"] or 0)


def derived(base: TaskSpec, *, name: str, control: ControlName, seed: int = 0) -> TaskSpec:
    """Return the control of a task.

    Args:
        base: The base task.
        name: The control's full name.
        control: The control.
        seed: Seed of the permutation.

    Raises:
        InputError: The task does not have what this control removes.
    """
    fields: dict[str, object] = {"name": name, "control": Control(kind=control, of=base.name, seed=seed)}
    if control == "shuffled":
        _check_can_be_shuffled(base, name=name)
    if control in {"captions_only", "captions_mlm"}:
        fields |= _captions(base, name=name, as_classes=control == "captions_only")
    return base.model_copy(update=fields)


def controls_of(base: TaskSpec) -> tuple[str, ...]:
    """Return the names of the controls that can be derived from a task, without seeds; none without a train split."""
    if "train" not in base.splits:
        return ()
    return tuple(f"{base.name}@{control}" for control in CONTROLS if _can_be_derived(base, control=control))


def _can_be_derived(base: TaskSpec, *, control: ControlName) -> bool:
    try:
        derived(base, name=f"{base.name}@{control}", control=control)
    except InputError:
        return False
    return True


def base_of(spec: TaskSpec) -> TaskSpec:
    """Return the task whose examples a task reads: for `shuffled` and `equal_compute` the base task, else itself."""
    control = spec.control
    if control is None or control.kind not in {"shuffled", "equal_compute"}:
        return spec
    return spec.model_copy(update={"name": control.of, "control": None})


def _check_can_be_shuffled(base: TaskSpec, *, name: str) -> None:
    if not base.has_images and "label" not in base.columns:
        msg = (
            f"cannot derive {name!r}: `shuffled` permutes images or class labels, and {base.name!r} ({base.kind}) has "
            "neither; choose another task, or use equal_compute"
        )
        raise InputError(msg)


def _captions(base: TaskSpec, *, name: str, as_classes: bool) -> dict[str, object]:
    column = _CAPTIONS.get(base.kind)
    if column is None:
        known = ", ".join(sorted(_CAPTIONS))
        rule = f"captions are taken from kinds {known}, and {base.name!r} is {base.kind}"
        msg = f"cannot derive {name!r}: {rule}; choose a task of such a kind"
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
