"""Mixtures, controls and what stands beside a phase, as a sweep spec writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.space.tree import every_parameter
from spaces.sweep_spec import make_space, make_sweep_spec
from trainables.config import MaskedLmBeside, PhaseConfig, SamplingConfig
from trainables.config.yaml_file import parse_yaml
from trainables.errors import ConfigError

BASE = """
name: mixtures
trials: 4
trial:
  encoder: {name: miniature}
  intermediate: {steps: 10}
  target: {mixture: {miniature_nli: 1.0}, steps: 100}
  evaluation: {task: miniature_nli, num_items: 20}
families:
  none: {}
"""


def document(**families: str) -> dict[str, Any]:
    """Return a spec with families written in YAML."""
    base = parse_yaml(BASE, name="base")
    for family, text in families.items():
        base["families"][family] = parse_yaml(text, name=family)
    return base


def intermediate(family: str, text: str) -> PhaseConfig:
    """Return the intermediate phase of a family at its defaults."""
    space = make_space(make_sweep_spec(document(**{family: text})))
    phase = bind(space, default_assignment(space, family=family)).intermediate
    assert phase is not None
    return phase


def test_a_list_of_tasks_takes_its_weights_from_their_sizes() -> None:
    phase = intermediate(
        "multitask", "{mixture: [miniature_qa, miniature_choice], sampling: {kind: proportional, cap: 131072}}"
    )

    assert phase.sampling == SamplingConfig(kind="proportional", cap=131_072)
    assert list(phase.mixture) == ["miniature_qa", "miniature_choice"]


def test_a_temperature_can_be_searched() -> None:
    text = (
        "{mixture: [miniature_qa, miniature_choice], "
        "sampling: {kind: temperature, temperature: {float: [1, 5], default: 2.0}}}"
    )
    space = make_space(make_sweep_spec(document(multitask=text)))

    assert "intermediate.multitask.sampling.temperature" in [one.path for one in every_parameter(space.root)]
    assert intermediate("multitask", text).sampling.temperature == 2.0


def test_arms_of_a_choice_can_be_kinds_of_sampling() -> None:
    text = (
        "{mixture: [miniature_qa, miniature_choice], sampling: {choice: {capped: {kind: proportional, cap: 9}, "
        "tempered: {kind: temperature, temperature: {log: [1, 9]}}, even: {kind: uniform}}}}"
    )

    assert intermediate("multitask", text).sampling == SamplingConfig(kind="proportional", cap=9)


def test_weights_can_be_searched_on_a_simplex() -> None:
    phase = intermediate("multitask", "{mixture: {simplex: [miniature_qa, miniature_choice, miniature_text]}}")

    assert set(phase.mixture.values()) == {1 / 3}


def test_the_share_of_texts_beside_a_task_can_be_searched(tmp_path: Path) -> None:
    texts = f"{{texts: {tmp_path}, languages: [sw, th], ratio: {{float: [0.1, 0.5], default: 0.2}}}}"
    phase = intermediate("text", f"{{mixture: miniature_qa, beside: {{masked_lm: {texts}}}}}")

    assert phase.beside is not None
    assert phase.beside.masked_lm == MaskedLmBeside(texts=str(tmp_path), languages=("sw", "th"), ratio=0.2)


COMPARED = "{mixture: miniature_qa, steps: {choice: [5, 10]}}"


def test_controls_are_written_like_tasks_under_family_control() -> None:
    arms = "[miniature_nli@equal_compute, miniature_nli@shuffled3, miniature_entailment@captions_only]"
    spec = make_sweep_spec(
        document(text=COMPARED, control=f"{{mixture: {{choice: {arms}}}, steps: {{choice: [5, 10]}}}}")
    )
    space = make_space(spec)

    phase = bind(space, default_assignment(space, family="control")).intermediate

    assert phase is not None
    assert phase.mixture == {"miniature_nli@equal_compute": 1.0}


def test_equal_compute_may_take_any_number_of_steps_in_a_compared_range() -> None:
    families = {
        "text": "{mixture: miniature_qa, steps: {int: [5, 20]}}",
        "control": "{mixture: miniature_nli@equal_compute, steps: 12}",
    }

    make_sweep_spec(document(**families))


def test_equal_compute_for_steps_that_nothing_else_takes_is_refused() -> None:
    families = {"text": COMPARED, "control": "{mixture: miniature_nli@equal_compute, steps: 11}"}

    with pytest.raises(ConfigError, match=r"^families.control.steps: 11 steps .* compared with have 5, 10"):
        make_sweep_spec(document(**families))


REFUSED: dict[str, tuple[str, str, str, str]] = {
    "a list without sampling": (
        "multitask",
        "{mixture: [miniature_qa, miniature_choice]}",
        "families.multitask.mixture",
        "set sampling",
    ),
    "weights beside sampling": (
        "multitask",
        "{mixture: {miniature_qa: 0.9, miniature_choice: 0.1}, sampling: {kind: uniform}}",
        "families.multitask",
        "weights have no effect",
    ),
    "searched weights beside sampling": (
        "multitask",
        "{mixture: {simplex: [miniature_qa, miniature_choice]}, sampling: {kind: proportional}}",
        "families.multitask",
        "weights have no effect",
    ),
    "sampling of one task": (
        "text",
        "{mixture: miniature_qa, sampling: {kind: proportional}}",
        "families.text",
        "mixture of one task",
    ),
    "an idle cap": (
        "multitask",
        "{mixture: [miniature_qa, miniature_choice], sampling: {kind: uniform, cap: 3}}",
        "families.multitask.sampling",
        "cap has no effect",
    ),
    "a cap of none": (
        "multitask",
        "{mixture: [miniature_qa, miniature_choice], sampling: {kind: proportional, cap: 0}}",
        "families.multitask.sampling.cap",
        "greater than or equal to 1",
    ),
    "a cold temperature": (
        "multitask",
        "{mixture: [miniature_qa, miniature_choice], sampling: {kind: temperature, temperature: {float: [0.1, 2]}}}",
        "families.multitask.sampling.temperature",
        "greater than or equal to 1",
    ),
    "a misspelt field": (
        "multitask",
        "{mixture: [miniature_qa, miniature_choice], sampling: {kind: proportional, caps: 3}}",
        "families.multitask.sampling.caps",
        "did you mean 'cap'",
    ),
    "a control outside its family": (
        "text",
        "{mixture: miniature_nli@shuffled}",
        "families.text.mixture",
        "is of family 'control'",
    ),
    "an unknown control": (
        "control",
        "{mixture: miniature_nli@shufled}",
        "families.control.mixture",
        "did you mean 'miniature_nli@shuffled'",
    ),
    "a control that its task does not have": (
        "control",
        "{mixture: miniature_qa@captions_only}",
        "families.control.mixture",
        "captions are taken from",
    ),
    "equal compute of another task than the target's": (
        "control",
        "{mixture: snli@equal_compute}",
        "families.control.mixture",
        "write miniature_nli@equal_compute",
    ),
    "copies of the target's labels": (
        "text",
        "{mixture: miniature_nli, beside: {translations: [de]}}",
        "families.text.beside.translations",
        "would not be zero-shot",
    ),
    "a task without copies": (
        "text",
        "{mixture: miniature_qa, beside: {translations: [de]}}",
        "families.text.beside.translations",
        "is not available in 'de'",
    ),
    "nothing beside": ("text", "{mixture: miniature_qa, beside: {}}", "families.text.beside", "has no effect"),
    "all texts": (
        "text",
        "{mixture: miniature_qa, beside: {masked_lm: {texts: a/b, languages: [de], ratio: 1.0}}}",
        "families.text.beside.masked_lm.ratio",
        "less than 1",
    ),
    "an unknown task in a list": (
        "multitask",
        "{mixture: [miniature_qa, miniature_choise], sampling: {kind: uniform}}",
        "families.multitask.mixture",
        "did you mean 'miniature_choice'",
    ),
}


@pytest.mark.parametrize(("family", "text", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_effect_or_sense_is_refused_at_its_field(family: str, text: str, field: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_sweep_spec(document(**{family: text}))

    assert (caught.value.field, words in str(caught.value)) == (field, True), str(caught.value)
