"""Tasks other than XNLI as a trial's own evaluation, whose score is the objective of a search."""

from __future__ import annotations

import os

import pytest

from trainables.checks.preflight import check_trial
from trainables.config import TrialConfig
from trainables.errors import ConfigError

pytestmark = [
    pytest.mark.mirror,
    pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here"),
]


@pytest.mark.parametrize(
    ("target", "evaluated", "languages"),
    [
        ("qqp", "paws_x", ["en", "ko"]),
        ("commonsense_qa", "xcopa", ["it", "qu"]),
        ("squad", "xquad", ["en", "th"]),
        ("tydiqa", "tydiqa", ["sw", "ko"]),
        ("squad", "tydiqa", ["sw", "ko"]),
        ("mnli", "tatoeba", ["de", "sw"]),
        ("mnli", "lareqa", ["ar", "zh"]),
    ],
)
def test_other_tasks_can_be_the_objective_too(target: str, evaluated: str, languages: list[str]) -> None:
    trial = {"encoder": {"name": "miniature"}, "target": {"mixture": {target: 1.0}, "steps": 2}}

    check_trial(TrialConfig.model_validate(trial | {"evaluation": {"task": evaluated, "languages": languages}}))


def test_a_head_that_cannot_score_the_objective_is_refused_with_both_classes() -> None:
    trial = {"encoder": {"name": "miniature"}, "target": {"mixture": {"mnli": 1.0}, "steps": 2}}

    with pytest.raises(ConfigError, match=r"different, paraphrase\) cannot be scored with the head of 'mnli'"):
        check_trial(TrialConfig.model_validate(trial | {"evaluation": {"task": "paws_x", "languages": ["en"]}}))
