"""Rows that make no example: they are counted, said, and kept with what is made of the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.own_task import write_fields
from tests.trainables_tests.tiny_jobs import phase, trial
from trainables.checks.preflight import check_trial
from trainables.data.encoded_split import EncodedRequest, EncodedTask, TokenizerSource, open_encoded_task
from trainables.data.labels import left_out
from trainables.data.labels.left_out import tell_once, warnings_of
from trainables.data.language_copies import chained
from trainables.data.sources.source import source_fingerprint
from trainables.models.encoder import load_tokenizer
from trainables.own_tasks.task_file import load_task_file
from trainables.own_tasks.task_report import examine_task
from trainables.ranks.local_group import LocalGroup
from trainables.results import SplitRows
from trainables.stage_store import StageStore
from trainables.tasks.registry import adopt, task
from trainables.tasks.spec import HubSource, TaskSpec
from trainables.trials.trial import TrialResources, run_trial

LABELS = ["entailment", "neutral", "contradiction"]
NUM_ROWS = 60
Rows = list[dict[str, Any]]


def pairs(*, num_unlabelled: int = 0, num_spelling: int = 0, value: Any = "-") -> Rows:
    """Return pairs, the first ones without a label, the last ones with a special token."""
    rows = [{"premise": f"w{n % 50} w2", "hypothesis": "yes", "label": LABELS[n % 3]} for n in range(NUM_ROWS)]
    for row in rows[:num_unlabelled]:
        row["label"] = value
    for row in rows[NUM_ROWS - num_spelling :]:
        row["hypothesis"] = "</s> yes"
    return rows


def own_task(folder: Path, rows: Rows, *, dev: Rows | None = None, **fields: Any) -> TaskSpec:
    """Write a task of one's own, and return it."""
    for split, of_split in (("train", rows), ("dev", dev or pairs())):
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, of_split)), encoding="utf-8")
    files = {"train": "train.jsonl", "validation": "dev.jsonl"}
    columns = {name: name for name in rows[0]}
    given = {"name": "mine", "kind": "sentence_pair", "source": {"files": files}, "columns": columns, "labels": LABELS}
    return load_task_file(write_fields(folder / "mine.task.yaml", **(given | fields)))


def opened(spec: TaskSpec, encoder: Path, cache: Path, **changes: Any) -> EncodedTask:
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(encoder), fingerprint="tiny")
    request = {"spec": spec, "split": "train", "tokenizer": tokenizer, "max_length": 32, "cache": cache}
    return open_encoded_task(EncodedRequest(**(request | changes)))


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_out, "_logged", set[str]())


@pytest.mark.parametrize(("value", "reason"), [("-", "-"), (-1, "-1"), (None, "empty"), ("", "empty"), (-1.0, "-1")])
def test_an_encoded_split_says_how_many_rows_it_lacks_and_why(
    tmp_path: Path, tiny_encoder: Path, value: Any, reason: str
) -> None:
    encoded = opened(own_task(tmp_path, pairs(num_unlabelled=3, value=value)), tiny_encoder, tmp_path)
    (rows,) = encoded.split_rows
    assert (len(encoded), rows.num_rows, rows.num_left_out) == (NUM_ROWS - 3, NUM_ROWS, 3)
    assert rows.reason == f"they have no label ({reason})"
    again = opened(own_task(tmp_path, pairs(num_unlabelled=3, value=value)), tiny_encoder, tmp_path)
    assert again.split_rows == (rows,)


def test_the_first_rows_are_counted_where_no_more_are_read(tmp_path: Path, tiny_encoder: Path) -> None:
    encoded = opened(own_task(tmp_path, pairs(num_unlabelled=3)), tiny_encoder, tmp_path, num_examples=10)
    assert (encoded.split_rows[0].num_rows, encoded.split_rows[0].num_left_out) == (10, 3)


KINDS: dict[str, tuple[dict[str, Any], Rows, str]] = {
    "tagging": (
        {"labels": ["O", "N"]},
        [{"tokens": ["w1"], "tags": ["N"]}, {"tokens": [], "tags": []}, {"tokens": ["w2"], "tags": None}],
        "they have no label (empty)",
    ),
    "span_qa": (
        {"labels": []},
        [
            {"context": "w1 w2", "question": "w3", "answers": {"text": ["w2"], "answer_start": [3]}},
            {"context": "w1 w2", "question": "w3", "answers": {"text": [], "answer_start": []}},
            {"context": "w1 w2", "question": "w3", "answers": None},
            {"context": "w1 w2", "question": "w3", "answers": None},
        ],
        "they have no label (empty)",
    ),
    "multiple_choice": (
        {"labels": [], "label_values": ["A", "B"]},
        [{"question": "w1", "choices": ["w2", "w3"], "label": label} for label in ("A", "-", "B", None)],
        "they have no label (-, empty)",
    ),
    "text_retrieval": (
        {"labels": []},
        [
            {"query": "w1", "candidate": "w2"},
            {"query": "w1", "candidate": None},
            {"query": None, "candidate": None},
            {"query": None, "candidate": None},
        ],
        "they have neither query nor candidate",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_counts_what_makes_no_example(tmp_path: Path, tiny_encoder: Path, kind: str) -> None:
    fields, rows, reason = KINDS[kind]
    spec = own_task(tmp_path, rows, dev=rows, kind=kind, **fields)
    (found,) = opened(spec, tiny_encoder, tmp_path).split_rows
    assert (found.num_rows, found.num_left_out, found.reason) == (len(rows), 2, reason)
    report = examine_task(spec, encoder=str(tiny_encoder), max_length=32)
    assert report.splits[0].left_out == found


def test_rows_that_spell_special_tokens_are_counted_and_read_as_text(tmp_path: Path, tiny_encoder: Path) -> None:
    encoded = opened(own_task(tmp_path, pairs(num_spelling=2)), tiny_encoder, tmp_path)
    assert (encoded.split_rows[0].num_spelling, encoded.split_rows[0].spelled) == (2, ("</s>",))
    separators = [list(ids).count(2) for ids in encoded.columns["input_ids"]]
    assert set(separators) == {3}


def test_a_split_of_several_languages_says_it_of_each(tmp_path: Path, tiny_encoder: Path) -> None:
    spec = own_task(tmp_path, pairs(num_unlabelled=3))
    parts = [opened(spec, tiny_encoder, tmp_path, split=split) for split in ("train", "validation")]
    assert chained(parts).split_rows == tuple(rows for part in parts for rows in part.split_rows)


def rows_of(**fields: Any) -> SplitRows:
    return SplitRows(task="mine", split="train", language="de", **fields)


@pytest.mark.parametrize(("num_left_out", "is_said"), [(0, False), (1, False), (2, False), (3, True), (200, True)])
def test_more_than_one_row_in_a_hundred_is_said(num_left_out: int, *, is_said: bool) -> None:
    found = warnings_of([rows_of(num_rows=200, num_left_out=num_left_out, reason="they have no label (-)")])
    assert bool(found) == is_said
    assert all(str(num_left_out) in said and "200" in said and "'train' (de)" in said for said in found)


def test_a_warning_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        tell_once("a warning")
    assert caplog.text.count("a warning") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_a_trial_warns_before_it_starts_and_keeps_the_counts(
    tmp_path: Path, tiny_encoder: Path, one_rank: LocalGroup, caplog: pytest.LogCaptureFixture
) -> None:
    adopt([own_task(tmp_path, pairs(num_unlabelled=3, num_spelling=1), dev=pairs(num_unlabelled=2))])
    config = trial(tiny_encoder, intermediate=phase(mixture={"mine": 1.0}, steps=2, num_dev_items=12))
    check_trial(config)
    before = caplog.text
    told: list[str] = []
    store = StageStore(tmp_path / "store")

    place = TrialResources(store=store, group=one_rank, on_left_out=told.append)
    result, again = run_trial(config, resources=place), run_trial(config, resources=place)

    words = "task 'mine', split 'train' (en): 3 of 60 rows (5.0%) are left out: they have no label (-)"
    assert words in before
    assert words in told
    assert {(rows.task, rows.split, rows.num_left_out, rows.num_spelling) for rows in result.split_rows} == {
        ("mine", "train", 3, 1),
        ("mine", "validation", 2, 0),
    }
    assert again.split_rows == result.split_rows
    stage = store.find(result.stages[0].key)
    assert stage is not None
    assert stage.facts.split_rows == result.split_rows


def test_a_check_says_that_numbers_are_taken_in_the_tasks_order(tmp_path: Path, tiny_encoder: Path) -> None:
    rows = pairs()
    numbered = [row | {"label": LABELS.index(row["label"])} for row in rows]
    named = examine_task(own_task(tmp_path, rows), encoder=str(tiny_encoder), max_length=32)
    by_number = examine_task(own_task(tmp_path, numbered), encoder=str(tiny_encoder), max_length=32)
    assert not any("are read in the order" in warning for warning in named.warnings)
    assert any("0 is entailment, 1 is neutral, 2 is contradiction" in warning for warning in by_number.warnings)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Rows], TaskSpec]:
    """Writes a repository of pairs; returns its task."""
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "prepared")

    def write(rows: Rows) -> TaskSpec:
        (tmp_path / "datasets/o/r").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "datasets/o/r/train.parquet")
        return task("snli").model_copy(
            update={"name": "mirrored", "source": HubSource(repository="o/r"), "splits": {"train": ("train",)}}
        )

    return write


def test_a_repository_says_it_as_files_do(
    mirror: Callable[[Rows], TaskSpec], tmp_path: Path, tiny_encoder: Path
) -> None:
    spec = mirror(pairs(num_unlabelled=3, num_spelling=2))
    (found,) = opened(spec, tiny_encoder, tmp_path).split_rows
    assert (found.num_left_out, found.reason, found.num_spelling) == (3, "they have no label (-)", 2)
    report = examine_task(spec, encoder=str(tiny_encoder), max_length=32)
    assert report.splits[0].left_out == found


@pytest.mark.parametrize(("names", "is_same"), [(LABELS, True), (LABELS[::-1], False)])
def test_names_that_change_what_labels_mean_change_the_rows_identity(
    tmp_path: Path, names: list[str], *, is_same: bool
) -> None:
    rows = [{"premise": "a", "hypothesis": "b", "label": 0}]
    data = datasets.Dataset.from_list(rows).cast_column("label", datasets.ClassLabel(names=names))
    data.to_parquet(str(tmp_path / "rows.parquet"))
    fields = {"kind": "sentence_pair", "columns": {name: name for name in rows[0]}, "labels": LABELS}
    path = write_fields(tmp_path / "my.task.yaml", name="my", source={"files": {"train": "rows.parquet"}}, **fields)
    spec = load_task_file(path)
    assert isinstance(spec.source.digest, str)  # type: ignore[union-attr]
    assert (source_fingerprint(spec) == spec.source.digest) == is_same  # type: ignore[union-attr]
