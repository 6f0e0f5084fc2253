"""The catalogue's text tasks other than inference: question answering, multiple choice, paraphrase and tagging."""

from __future__ import annotations

from trainables.tasks.spec import CorpusSource, HubSource, TaskSpec

_SECRET_TEST = {"train": ("train",), "validation": ("validation",)}
_GLUE = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
_SPAN = {"context": "context", "question": "question", "answers": "answers"}
_PARQUET = (
    "The repository's main branch holds a loading script, which `datasets` no longer runs. So the revision is the "
    "hub's own conversion of the script's output to Parquet; loading it could not be tried when this was written."
)

QUESTIONS: tuple[TaskSpec, ...] = (
    TaskSpec(
        name="squad",
        kind="span_qa",
        source=HubSource(repository="rajpurkar/squad", revision="7b6d24c440a36b6815f21b70d25016731768db1f"),
        splits=_SECRET_TEST,
        columns=_SPAN,
        metric="f1",
        num_train_examples=87_599,
        licence="CC BY-SA 4.0",
        citation="Rajpurkar et al. 2016, arXiv 1606.05250",
        notes="English questions on Wikipedia. The test set is secret, so there is no test split.",
    ),
    TaskSpec(
        name="squad_v2",
        kind="span_qa",
        source=HubSource(
            repository="rajpurkar/squad_v2", config="squad_v2", revision="3ffb306f725f7d2ce8394bc1873b24868140c412"
        ),
        splits=_SECRET_TEST,
        columns=_SPAN,
        metric="f1",
        unanswerable=True,
        num_train_examples=130_319,
        licence="CC BY-SA 4.0",
        citation="Rajpurkar et al. 2018, arXiv 1806.03822",
        notes="SQuAD with 43,498 train questions that have no answer in their context; then no answer is right.",
    ),
    TaskSpec(
        name="hellaswag",
        kind="multiple_choice",
        source=HubSource(repository="Rowan/hellaswag", revision="218ec52e09a7e7462a5400043bb9a69a41d06b76"),
        splits=_SECRET_TEST,
        columns={"question": "ctx", "choices": "endings", "label": "label"},
        label_values=("0", "1", "2", "3"),
        num_train_examples=39_905,
        licence="MIT",
        citation="Zellers et al. 2019, arXiv 1905.07830",
        notes="Which of four endings continues an English text. The test labels are secret, so there is no test split.",
    ),
    TaskSpec(
        name="cosmos_qa",
        kind="multiple_choice",
        source=HubSource(repository="allenai/cosmos_qa", revision="ed50fe83db62b355759053b1cd5eef344ee371e0"),
        splits=_SECRET_TEST,
        columns={
            "context": "context",
            "question": "question",
            "choices": ("answer0", "answer1", "answer2", "answer3"),
            "label": "label",
        },
        num_train_examples=25_262,
        licence="CC BY 4.0",
        citation="Huang et al. 2019, arXiv 1909.00277",
        notes=f"English questions on what a blog post implies. The test labels are secret. {_PARQUET}",
    ),
    TaskSpec(
        name="commonsense_qa",
        kind="multiple_choice",
        source=HubSource(repository="tau/commonsense_qa", revision="94630fe30dad47192a8546eb75f094926d47e155"),
        splits=_SECRET_TEST,
        columns={"question": "question", "choices": "choices.text", "label": "answerKey"},
        label_values=("A", "B", "C", "D", "E"),
        num_train_examples=9_741,
        licence="MIT",
        citation="Talmor et al. 2019, arXiv 1811.00937",
        notes="English questions with five answers. The test labels are secret, so there is no test split.",
    ),
    TaskSpec(
        name="social_i_qa",
        kind="multiple_choice",
        source=HubSource(repository="allenai/social_i_qa", revision="537a2ec8ec565adc0b70b70752893e59e024df26"),
        splits=_SECRET_TEST,
        columns={
            "context": "context",
            "question": "question",
            "choices": ("answerA", "answerB", "answerC"),
            "label": "label",
        },
        label_values=("1", "2", "3"),
        num_train_examples=33_410,
        licence="CC BY 4.0",
        citation="Sap et al. 2019, arXiv 1904.09728",
        notes=f"English questions on how people act and feel, with three answers. {_PARQUET}",
    ),
)
"""A question whose answer is a span of its context, or one of some choices."""

SENTENCES: tuple[TaskSpec, ...] = (
    TaskSpec(
        name="qqp",
        kind="sentence_pair",
        source=HubSource(repository="nyu-mll/glue", config="qqp", revision=_GLUE),
        splits=_SECRET_TEST,
        columns={"premise": "question1", "hypothesis": "question2", "label": "label"},
        labels=("not_duplicate", "duplicate"),
        num_train_examples=363_846,
        licence="Quora's terms of service: not for commercial use",
        citation="Iyer et al. 2017, Quora Question Pairs; Wang et al. 2018, GLUE, arXiv 1804.07461, section 3.2",
        notes="Whether two English questions ask the same. The test labels are secret, so there is no test split.",
    ),
    TaskSpec(
        name="paws",
        kind="sentence_pair",
        source=HubSource(
            repository="google-research-datasets/paws",
            config="labeled_final",
            revision="161ece9501cf0a11f3e48bd356eaa82de46d6a09",
        ),
        splits={"train": ("train",), "validation": ("validation",), "test": ("test",)},
        columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "label"},
        labels=("different", "paraphrase"),
        label_values=("0", "1"),
        num_train_examples=49_401,
        licence="Free for any purpose, with attribution to Google",
        citation="Zhang et al. 2019, arXiv 1904.01130",
        notes="English sentence pairs that share most words; `label_values` are the source's names of its classes.",
    ),
    TaskSpec(
        name="paws_translated",
        kind="sentence_pair",
        source=HubSource(repository="google-research-datasets/paws-x", config="{language}"),
        splits={"train": ("train",), "validation": ("validation",)},
        columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "label"},
        labels=("different", "paraphrase"),
        languages=("en", "de", "es", "fr", "ja", "ko", "zh"),
        num_train_examples=49_401,
        licence="free for any purpose, with attribution (PAWS-X licence)",
        citation="Yang et al. 2019, arXiv 1908.11828, section 3",
        notes="PAWS and its machine translations into 6 languages: PAWS-X's training sets. A phase trains on English; "
        "`beside: {translations: [de, es, fr, ja, ko, zh]}` adds the copies (the shipped spec `translate`). Not for a "
        "trial that is scored on paws_x: the copies hold its labels in these languages. Revision not pinned: the "
        "commit could not be verified when the catalogue was written.",
    ),
    TaskSpec(
        name="boolq",
        kind="sentence_pair",
        source=HubSource(repository="google/boolq", revision="35b264d03638db9f4ce671b711558bf7ff0f80d5"),
        splits=_SECRET_TEST,
        columns={"premise": "passage", "hypothesis": "question", "label": "answer"},
        labels=("no", "yes"),
        num_train_examples=9_427,
        licence="CC BY-SA 3.0",
        citation="Clark et al. 2019, arXiv 1905.10044",
        notes="Yes or no to an English question, by a passage of Wikipedia. The source has no test split.",
    ),
    TaskSpec(
        name="ccg",
        kind="tagging",
        source=CorpusSource(variable="XSTILTS_CCG"),
        splits={"train": ("train",), "validation": ("validation",), "test": ("test",)},
        columns={"tokens": "tokens", "tags": "tags"},
        num_train_examples=39_604,
        licence="LDC user agreement (LDC2005T13)",
        citation="Hockenmaier and Steedman 2007, ACL J07-3004; splits of Clark and Curran 2007, ACL J07-4004",
        notes="A supertag (lexical category) for each word of sections 02-21, 00 and 23 of the Wall Street Journal. "
        "CCGbank is licensed, so it is read from your own copy: set XSTILTS_CCG to its folder (with data/AUTO), or to "
        "a folder with train.txt, validation.txt and test.txt: one sentence a line, words written word|supertag or "
        "word|POS|supertag, spaces between words. The labels are the supertags of your train split. Revision not "
        "pinned: your files are identified by their content.",
    ),
)
"""Paraphrase, yes-or-no questions and supertagging."""
