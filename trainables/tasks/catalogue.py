"""The tasks that ship. Class numbers of natural language inference are 0 entailment, 1 neutral, 2 contradiction.

Revisions are the commits that the hub served as `main` when this was written; where none could be verified, it is
None and the notes say so.
"""

from __future__ import annotations

from typing import Any  # fields of TaskSpec, checked by pydantic

from trainables.config.evaluation import XNLI_LANGUAGES
from trainables.tasks.spec import GeneratedSource, HubSource, MaskingPolicy, TaskSpec

NLI_LABELS = ("entailment", "neutral", "contradiction")
"""Class names of natural language inference in the order of their numbers, the same in every task."""

_PAIR = {"premise": "premise", "hypothesis": "hypothesis", "label": "label"}
_STANDARD_SPLITS = {"train": ("train",), "validation": ("validation",), "test": ("test",)}
_UNPINNED = "Revision not pinned: the commit could not be verified when the catalogue was written."

_REAL = (
    TaskSpec(
        name="mnli",
        kind="sentence_pair",
        source=HubSource(repository="nyu-mll/glue", config="mnli", revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"),
        splits={"train": ("train",), "validation": ("validation_matched",)},
        columns=_PAIR,
        labels=NLI_LABELS,
        licence="OANC and others, see the MultiNLI paper, section 2.1",
        citation="Williams et al. 2018, arXiv 1704.05426",
        notes="392,702 English pairs of ten genres. The test labels are secret, so there is no test split.",
    ),
    TaskSpec(
        name="xnli",
        kind="sentence_pair",
        source=HubSource(
            repository="facebook/xnli", config="{language}", revision="b8dd5d7af51114dbda02c0e3f6133f332186418e"
        ),
        splits={"validation": ("validation",), "test": ("test",)},
        columns=_PAIR,
        labels=NLI_LABELS,
        languages=XNLI_LANGUAGES,
        licence="CC BY-NC 4.0",
        citation="Conneau et al. 2018, arXiv 1809.05053",
        notes="2,490 dev and 5,010 test pairs, parallel in 15 languages. The hub's translated train split is left out.",
    ),
    TaskSpec(
        name="snli",
        kind="sentence_pair",
        source=HubSource(
            repository="stanfordnlp/snli", config="plain_text", revision="cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"
        ),
        splits=_STANDARD_SPLITS,
        columns=_PAIR,
        labels=NLI_LABELS,
        licence="CC BY-SA 4.0",
        citation="Bowman et al. 2015, arXiv 1508.05326",
        notes="550,152 English pairs on image captions. Pairs without a majority label (-1) are dropped.",
    ),
    TaskSpec(
        name="anli",
        kind="sentence_pair",
        source=HubSource(repository="facebook/anli", config="plain_text"),
        splits={"train": ("train_r1", "train_r2", "train_r3"), "validation": ("dev_r1",)},
        columns=_PAIR,
        labels=NLI_LABELS,
        licence="CC BY-NC 4.0",
        citation="Nie et al. 2020, arXiv 1910.14599",
        notes=f"162,865 adversarial English pairs of three rounds; validated on round 1 alone. {_UNPINNED}",
    ),
    TaskSpec(
        name="commonsense_qa",
        kind="multiple_choice",
        source=HubSource(repository="tau/commonsense_qa", revision="94630fe30dad47192a8546eb75f094926d47e155"),
        splits={"train": ("train",), "validation": ("validation",)},
        columns={"question": "question", "choices": "choices.text", "label": "answerKey"},
        label_values=("A", "B", "C", "D", "E"),
        licence="MIT",
        citation="Talmor et al. 2019, arXiv 1811.00937",
        notes="9,741 English questions with five answers. The test labels are secret, so there is no test split.",
    ),
    TaskSpec(
        name="squad",
        kind="span_qa",
        source=HubSource(repository="rajpurkar/squad", revision="7b6d24c440a36b6815f21b70d25016731768db1f"),
        splits={"train": ("train",), "validation": ("validation",)},
        columns={"context": "context", "question": "question", "answers": "answers"},
        metric="f1",
        licence="CC BY-SA 4.0",
        citation="Rajpurkar et al. 2016, arXiv 1606.05250",
        notes="87,599 English questions on Wikipedia. The test set is secret, so there is no test split.",
    ),
    TaskSpec(
        name="nlvr",
        kind="image_classification",
        source=HubSource(repository="lil-lab/nlvr"),
        splits={"train": ("train",), "validation": ("validation",)},
        columns={"image": "image", "hypothesis": "sentence", "label": "label"},
        labels=("false", "true"),
        licence="CC BY 4.0",
        citation="Suhr et al. 2017, ACL P17-2034",
        notes="Synthetic images and human-written English sentences. Revision not pinned: its authors publish it on "
        "GitHub (lil-lab/nlvr), and a repository of this name was not verified on the hub; meant for a mirror.",
    ),
)


def _miniature(task: str, **fields: Any) -> TaskSpec:
    """Return a generated task; only inference has a test split, because only it is a target."""
    splits = _STANDARD_SPLITS if task == "nli" else {"train": ("train",), "validation": ("validation",)}
    return TaskSpec(
        name=f"miniature_{task}",
        source=GeneratedSource(generator=f"miniature_{task}", version=1),
        splits=splits,
        licence="Apache-2.0",
        citation="Generated by trainables.miniature",
        **fields,
    )


def _same(*columns: str) -> dict[str, str]:
    return {column: column for column in columns}


_MINIATURE = (
    _miniature(
        "nli",
        kind="sentence_pair",
        columns=_PAIR,
        labels=NLI_LABELS,
        languages=XNLI_LANGUAGES,
        notes="Generated scenes told in 15 languages. Scores are not XNLI scores.",
    ),
    _miniature(
        "qa",
        kind="span_qa",
        columns=_same("context", "question", "answers"),
        metric="f1",
        notes="Generated questions whose answers stand in a description of a scene.",
    ),
    _miniature(
        "choice",
        kind="multiple_choice",
        columns=_same("question", "choices", "label"),
        notes="Generated questions, each with the same number of answers.",
    ),
    _miniature(
        "entailment",
        kind="image_classification",
        columns=_same("image", "hypothesis", "label"),
        labels=NLI_LABELS,
        notes="A drawn scene as the premise of a sentence.",
    ),
    _miniature(
        "retrieval",
        kind="image_text_retrieval",
        columns=_same("image", "caption"),
        metric="recall_at_1",
        notes="Drawn scenes and their captions.",
    ),
    _miniature(
        "parallel",
        kind="masked_lm",
        columns=_same("text", "text_pair"),
        metric="masked_accuracy",
        masking=MaskingPolicy(mask_rate=0.45, one_side_probability=0.85, frequency_exponent=-0.5),
        notes="Facts told twice, in two of 15 languages; one side is masked so that the other answers it.",
    ),
    _miniature(
        "text",
        kind="masked_lm",
        columns=_same("text"),
        metric="masked_accuracy",
        masking=MaskingPolicy(),
        notes="Descriptions of scenes, each in one of 15 languages.",
    ),
)

CATALOGUE: tuple[TaskSpec, ...] = (*_REAL, *_MINIATURE)
"""Every shipped task: real ones first."""
