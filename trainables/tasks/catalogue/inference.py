"""The catalogue's tasks of natural language inference. Classes are 0 entailment, 1 neutral, 2 contradiction."""

from __future__ import annotations

from trainables.config.evaluation import XNLI_LANGUAGES
from trainables.tasks.spec import CompositeSource, HubSource, TaskSpec

NLI_LABELS = ("entailment", "neutral", "contradiction")
"""Class names of natural language inference in the order of their numbers, the same in every task."""

PAIR = {"premise": "premise", "hypothesis": "hypothesis", "label": "label"}
"""Columns of a source that has the kind's own column names."""

STANDARD_SPLITS = {"train": ("train",), "validation": ("validation",), "test": ("test",)}
"""Splits of a source that has the names `train`, `validation` and `test`."""

INFERENCE: tuple[TaskSpec, ...] = (
    TaskSpec(
        name="mnli",
        kind="sentence_pair",
        source=HubSource(repository="nyu-mll/glue", config="mnli", revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"),
        splits={"train": ("train",), "validation": ("validation_matched",)},
        columns=PAIR,
        labels=NLI_LABELS,
        num_train_examples=392_702,
        licence="OANC and others, see the MultiNLI paper, section 2.1",
        citation="Williams et al. 2018, arXiv 1704.05426",
        notes="English pairs of ten genres. The test labels are secret, so there is no test split.",
    ),
    TaskSpec(
        name="xnli",
        kind="sentence_pair",
        source=HubSource(
            repository="facebook/xnli", config="{language}", revision="b8dd5d7af51114dbda02c0e3f6133f332186418e"
        ),
        splits={"validation": ("validation",), "test": ("test",)},
        columns=PAIR,
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
        splits=STANDARD_SPLITS,
        columns=PAIR,
        labels=NLI_LABELS,
        num_train_examples=549_367,
        licence="CC BY-SA 4.0",
        citation="Bowman et al. 2015, arXiv 1508.05326",
        notes="English pairs on image captions. Its 785 train pairs without a majority label (-1) are dropped.",
    ),
    TaskSpec(
        name="anli",
        kind="sentence_pair",
        source=HubSource(
            repository="facebook/anli", config="plain_text", revision="8e4813d81f46d313dac7892e1c28076917cfcdf9"
        ),
        splits={
            "train": ("train_r1", "train_r2", "train_r3"),
            "validation": ("dev_r1", "dev_r2?", "dev_r3?"),
            "test": ("test_r1", "test_r2", "test_r3"),
        },
        columns=PAIR,
        labels=NLI_LABELS,
        num_train_examples=162_865,
        licence="CC BY-NC 4.0",
        citation="Nie et al. 2020, arXiv 1910.14599",
        notes="Adversarial English pairs of three rounds, validated on the rounds whose dev split the source has.",
    ),
    TaskSpec(
        name="anli_plus",
        kind="sentence_pair",
        source=CompositeSource(parts=("anli", "mnli", "snli")),
        splits={"train": ("train",), "validation": ("validation",)},
        columns=PAIR,
        labels=NLI_LABELS,
        num_train_examples=1_104_934,
        licence="Those of anli, mnli and snli: not for commercial use",
        citation="Nie et al. 2020, arXiv 1910.14599; as intermediate task Phang et al. 2020, arXiv 2005.13013, table 1",
        notes="ANLI, MNLI and SNLI as one data set, one after the other; batches mix them.",
    ),
    TaskSpec(
        name="rte",
        kind="sentence_pair",
        source=HubSource(repository="nyu-mll/glue", config="rte", revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"),
        splits={"train": ("train",), "validation": ("validation",)},
        columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "label"},
        labels=("entailment", "not_entailment"),
        num_train_examples=2_490,
        licence="Unknown; the corpora of the PASCAL RTE challenges",
        citation="Dagan et al. 2005 and successors; Wang et al. 2018, GLUE, arXiv 1804.07461, section 3.3",
        notes="English pairs in two classes. The test labels are secret, so there is no test split.",
    ),
)
"""Tasks of inference, including the combination of three data sets of Phang et al. 2020."""
