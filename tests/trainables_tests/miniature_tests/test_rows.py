"""The data sets: columns, sizes, disjoint splits, and the same rows everywhere."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.miniature.baselines import BASELINES, measured_baselines
from trainables.miniature.inference import inferences
from trainables.miniature.rows import LANGUAGES, NUM_ROWS, rows

ROOT = Path(__file__).parents[3]
SMALL = [(task, split) for task, sizes in NUM_ROWS.items() for split in sizes if sizes[split] <= 1_500]
DIGEST = """
import hashlib
from trainables.miniature.rows import rows
found = [rows("miniature_nli", split="validation", language="sw"), rows("miniature_qa", split="validation")]
found += [rows("miniature_choice", split="validation"), rows("miniature_parallel", split="validation")]
images = rows("miniature_entailment", split="validation")
found += [images["hypothesis"], [image.tobytes() for image in images["image"][:50]]]
print(hashlib.sha256(repr(found).encode()).hexdigest())
"""


def digest_under(hash_seed: str) -> str:
    """The digest of many rows, made by a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(("task", "split"), SMALL)
def test_every_column_has_every_row(task: str, split: str) -> None:
    columns = rows(task, split=split)
    assert {len(values) for values in columns.values()} == {NUM_ROWS[task][split]}


def test_no_pair_of_one_split_is_in_another() -> None:
    pairs = {
        split: {(frozenset(item.premise), item.hypothesis) for item in inferences(split, num_items=size)}
        for split, size in NUM_ROWS["miniature_nli"].items()
    }
    assert {split: len(found) for split, found in pairs.items()} == NUM_ROWS["miniature_nli"]
    assert pairs["train"].isdisjoint(pairs["validation"] | pairs["test"])
    assert pairs["validation"].isdisjoint(pairs["test"])


@pytest.mark.parametrize(
    ("task", "columns"),
    [("miniature_qa", ("context", "question")), ("miniature_choice", ("question",))],
)
def test_no_text_of_training_is_in_validation(task: str, columns: tuple[str, ...]) -> None:
    train, validation = (rows(task, split=split) for split in ("train", "validation"))
    seen = set(zip(*(train[column] for column in columns), strict=True))
    assert seen.isdisjoint(zip(*(validation[column] for column in columns), strict=True))


def test_item_i_is_the_same_item_in_every_language() -> None:
    told = {language: rows("miniature_nli", split="test", language=language) for language in LANGUAGES}
    assert {tuple(columns["label"]) for columns in told.values()} == {tuple(told["en"]["label"])}
    german_words = {"star": "Stern", "heart": "Herz", "triangle": "Dreieck"}
    mentions = [[word in hypothesis for hypothesis in told["en"]["hypothesis"]] for word in german_words]
    assert mentions == [[word in text for text in told["de"]["hypothesis"]] for word in german_words.values()]


@pytest.mark.slow
def test_the_rows_do_not_depend_on_the_process() -> None:
    assert digest_under("1") == digest_under("2")


def test_a_hypothesis_alone_tells_next_to_nothing_and_overlap_not_everything() -> None:
    assert BASELINES.hypothesis_only < 0.45
    assert 0.45 < BASELINES.word_overlap["en"] < 0.7


def test_the_shown_baselines_are_those_of_the_data() -> None:
    measured = measured_baselines()
    assert measured.majority == pytest.approx(BASELINES.majority, abs=1e-4)
    # A few rows near the boundary can fall on its other side where another library multiplies the matrices.
    assert measured.hypothesis_only == pytest.approx(BASELINES.hypothesis_only, abs=0.01)
    assert measured.word_overlap == pytest.approx(BASELINES.word_overlap, abs=0.01)


def test_captions_tell_the_pictures_apart() -> None:
    columns = rows("miniature_retrieval", split="validation")
    assert len(set(columns["caption"])) == len(columns["caption"])
    digests = {hashlib.sha256(image.tobytes()).hexdigest() for image in columns["image"]}
    assert len(digests) == len(columns["image"])


@pytest.mark.parametrize(
    ("task", "split", "language", "message"),
    [
        ("miniature_ner", "train", "en", "no task 'miniature_ner'"),
        ("miniature_qa", "test", "en", "no split 'test'"),
        ("miniature_qa", "train", "de", "no rows in 'de'"),
        ("miniature_nli", "test", "it", "no language 'it'"),
    ],
)
def test_what_does_not_exist_is_refused(task: str, split: str, language: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows(task, split=split, language=language)
