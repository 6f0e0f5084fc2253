"""Rows that do not come from one repository: composed tasks, a user's licensed corpus, splits that may be missing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.data.sources.loader import load_rows
from trainables.data.sources.source import source_fingerprint
from trainables.errors import TaskDataError, UnavailableError
from trainables.tasks.registry import task
from trainables.tasks.spec import CompositeSource, TaskSpec
from trainables.tasks.supertags import UNSEEN

SENTENCES = {
    "train.txt": "The|NP/N cat|N sleeps|S\\NP\n\nIt|NP|PRP purrs|S\\NP\n".replace("NP|PRP", "PRP|NP"),
    "validation.txt": "A|NP/N dog|N sings|(S\\NP)/NP\n",
}
AUTO = """ID=ours.1 PARSER=GOLD NUMPARSE=1
(<T S[dcl] 0 2> (<L NP PRP PRP She NP>) (<T S[dcl]\\NP 0 1> (<L S[dcl]\\NP VBZ VBZ reads S[dcl]\\NP>) ) )
"""


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some sentences of our own, as the user's corpus."""
    for name, text in SENTENCES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("XSTILTS_CCG", str(tmp_path))
    return tmp_path


def write_inference(mirror: Path, repository: str, splits: dict[str, list[int]], *, config: str = "plain_text") -> None:
    folder = mirror / "datasets" / repository / config
    folder.mkdir(parents=True)
    lines = ["---", "configs:", f"- config_name: {config}", "  data_files:"]
    for split, labels in splits.items():
        rows = {"premise": [f"{split} {n}" for n in range(len(labels))], "hypothesis": ["h"] * len(labels)}
        pq.write_table(pa.table({**rows, "label": labels}), folder / f"{split}.parquet")
        lines += [f"  - split: {split}", f"    path: {config}/{split}.parquet"]
    (folder.parent / "README.md").write_text("\n".join([*lines, "---", ""]))


@pytest.fixture
def inference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with a few rows of mnli, snli and anli; of anli's dev splits, round 1 alone."""
    write_inference(tmp_path, "nyu-mll/glue", {"train": [0, 1], "validation_matched": [2]}, config="mnli")
    write_inference(tmp_path, "stanfordnlp/snli", {"train": [2, -1], "validation": [1], "test": [0]})
    rounds = {f"train_r{number}": [number - 1] for number in (1, 2, 3)}
    write_inference(tmp_path, "facebook/anli", {**rounds, "dev_r1": [0, 0]})
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.usefixtures("inference")
def test_a_composed_task_has_its_parts_rows_in_order() -> None:
    rows = load_rows(task("anli_plus"), split="train")
    assert rows["label"] == [0, 1, 2, 0, 1, 2, -1]
    assert load_rows(task("anli_plus"), split="validation")["label"] == [0, 0, 2, 1]


def test_a_composed_task_changes_its_identity_with_any_part(inference: Path) -> None:
    before = source_fingerprint(task("anli_plus"))
    again = source_fingerprint(task("anli_plus"))
    pq.write_table(
        pa.table({"premise": ["new"], "hypothesis": ["h"], "label": [0]}),
        inference / "datasets/stanfordnlp/snli/plain_text/train.parquet",
    )
    assert before == again != source_fingerprint(task("anli_plus"))


@pytest.mark.usefixtures("inference")
def test_parts_that_do_not_fit_together_are_refused() -> None:
    odd = task("anli_plus").model_copy(update={"source": CompositeSource(parts=("mnli", "rte"))})
    with pytest.raises(TaskDataError, match="in its part 'rte'; all parts must agree"):
        load_rows(odd, split="train")


def test_a_split_that_may_be_missing_is_left_out_where_it_is(inference: Path) -> None:
    write_inference(inference, "o/more", {"train": [0], "dev_r1": [0], "dev_r2": [1], "dev_r3": [2]})
    whole = _anli("o/more")
    assert load_rows(whole, split="validation")["label"] == [0, 1, 2]
    assert load_rows(task("anli"), split="validation")["label"] == [0, 0]
    with pytest.raises(TaskDataError, match="test_r1"):
        load_rows(task("anli"), split="test")


def _anli(repository: str) -> TaskSpec:
    source = task("anli").source
    return task("anli").model_copy(update={"source": source.model_copy(update={"repository": repository})})


@pytest.mark.usefixtures("corpus")
def test_a_users_corpus_is_read_and_its_train_split_gives_the_labels() -> None:
    ccg = task("ccg")
    train, validation = (load_rows(ccg, split=split) for split in ("train", "validation"))
    assert ccg.labels == ("N", "NP", "NP/N", "S\\NP")
    assert train["tokens"] == [["The", "cat", "sleeps"], ["It", "purrs"]]
    assert [[ccg.labels[tag] for tag in tags] for tags in train["tags"]] == [["NP/N", "N", "S\\NP"], ["NP", "S\\NP"]]
    assert validation["tags"] == [[2, 0, UNSEEN]]


def test_ccgbanks_own_files_are_read_by_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for section in ("00", "02", "21", "23"):
        (tmp_path / "data/AUTO" / section).mkdir(parents=True)
        (tmp_path / "data/AUTO" / section / f"wsj_{section}01.auto").write_text(AUTO)
    monkeypatch.setenv("XSTILTS_CCG", str(tmp_path))
    assert load_rows(task("ccg"), split="train")["tokens"] == [["She", "reads"]] * 2
    assert load_rows(task("ccg"), split="test").num_rows == 1
    assert task("ccg").labels == ("NP", "S[dcl]\\NP")


def test_changed_sentences_change_the_corpus_identity(corpus: Path) -> None:
    before = source_fingerprint(task("ccg"))
    (corpus / "train.txt").write_text("Dogs|NP bark|S\\NP\n")
    assert source_fingerprint(task("ccg")) != before


def test_a_corpus_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XSTILTS_CCG", raising=False)
    assert task("ccg").labels == ()
    with pytest.raises(UnavailableError, match="XSTILTS_CCG is not set; set it to the folder of your copy"):
        source_fingerprint(task("ccg"))
    monkeypatch.setenv("XSTILTS_CCG", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"has no train split; .*word\|supertag"):
        task("ccg")
    monkeypatch.setenv("XSTILTS_CCG", str(tmp_path / "nowhere"))
    with pytest.raises(UnavailableError, match="which is not a folder"):
        task("ccg")


@pytest.mark.parametrize("line", ["The cat|N", "|N", "a|b|c|d", "cat|"])
def test_a_line_written_otherwise_is_named(corpus: Path, line: str) -> None:
    (corpus / "train.txt").write_text(f"It|NP\n{line}\n")
    with pytest.raises(TaskDataError, match=r"train\.txt': line 2 holds"):
        task("ccg")
