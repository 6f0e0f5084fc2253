"""Rows that are joined with another configuration of their repository: GQA's questions with its photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.contracts.samples import NUM_ROWS, write_sample
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.errors import ConfigError, TaskDataError
from trainables.tasks.registry import task
from trainables.tasks.rules import check_task
from trainables.tasks.spec import TaskSpec

GQA = task("gqa")
FOLDER = "datasets/lmms-lab/GQA"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_sample(GQA, tmp_path, language="en")
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "prepared")
    return tmp_path


def images_of(mirror: Path, split: str = "val") -> dict[str, bytes]:
    table = pq.read_table(mirror / FOLDER / f"{split}_balanced_images/{split}.parquet")
    return {row["id"]: row["image"]["bytes"] for row in table.to_pylist()}


def questions_of(mirror: Path, split: str = "val") -> list[dict[str, Any]]:
    return pq.read_table(mirror / FOLDER / f"{split}_balanced_instructions/{split}.parquet").to_pylist()


def rewritten(mirror: Path, part: str, **columns: list[Any]) -> None:
    """Replace columns of one file of the val split."""
    path = mirror / FOLDER / f"val_balanced_{part}/val.parquet"
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.drop_columns([name]).append_column(name, pa.array(values))
    pq.write_table(table, path)


def test_each_question_has_its_own_photograph(mirror: Path) -> None:
    rows = load_rows(GQA, split="validation")
    files, questions = images_of(mirror), questions_of(mirror)

    assert len(files) == NUM_ROWS // 2
    assert rows.column_names == ["image", "question", "answers"] or set(rows.column_names) == {*GQA.columns}
    assert [row["bytes"] for row in rows["image"]] == [files[one["imageId"]] for one in questions]
    assert rows[3:5]["question"] == [one["question"] for one in questions[3:5]]
    assert rows.select([7])[0]["image"]["bytes"] == files[questions[7]["imageId"]]
    assert list(rows.select_columns(["answers"])["answers"]) == [one["answer"] for one in questions]


def test_photographs_that_the_repository_declares_as_images_stay_files(mirror: Path) -> None:
    path = mirror / FOLDER / "val_balanced_images/val.parquet"
    declared = datasets.Features({"id": datasets.Value("string"), "image": datasets.Image()})
    rows = pq.read_table(path).select(["id", "image"]).to_pydict()
    datasets.Dataset.from_dict(rows, features=declared).to_parquet(path)

    found = load_rows(GQA, split="validation")["image"]

    assert [row["bytes"] for row in found] == [images_of(mirror)[one["imageId"]] for one in questions_of(mirror)]


def test_photographs_of_several_splits_are_not_confused(mirror: Path) -> None:
    both = GQA.model_copy(update={"splits": {"train": ("train", "val")}})

    rows = load_rows(both, split="train")
    wanted = [images_of(mirror, one)[row["imageId"]] for one in ("train", "val") for row in questions_of(mirror, one)]

    assert [row["bytes"] for row in rows["image"]] == wanted


def test_a_task_of_the_texts_alone_reads_no_photograph(mirror: Path) -> None:
    for path in (mirror / FOLDER).glob("*_images/*"):
        path.write_bytes(b"damaged")

    rows = load_rows(task("gqa@captions_only"), split="train")

    readme = mirror / FOLDER / "README.md"
    readme.write_text(readme.read_text().replace("_balanced_images\n", "_lost\n"))

    check_readable(task("gqa@captions_only"), split="train", language="en")
    assert rows.column_names == ["text"]
    assert len(rows) == NUM_ROWS


def test_a_joined_text_is_a_column_like_any_other(mirror: Path) -> None:
    path = mirror / FOLDER / "val_balanced_images/val.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("caption", pa.array([f"seen {key}" for key in table["id"].to_pylist()])), path)
    assert GQA.source.type == "hub"
    join = GQA.source.join.model_copy(update={"columns": ("image", "caption")})  # type: ignore[union-attr]
    columns = {"image": "image", "question": "caption", "answers": "answer"}
    spec = GQA.model_copy(update={"source": GQA.source.model_copy(update={"join": join}), "columns": columns})

    rows = load_rows(spec, split="validation")

    assert list(rows["question"]) == [f"seen {one['imageId']}" for one in questions_of(mirror)]
    assert [row["bytes"] for row in rows["image"]] == [images_of(mirror)[q["imageId"]] for q in questions_of(mirror)]


OURS, THEIRS = "'imageId' of 'val_balanced_instructions'", "'id' of 'val_balanced_images'"
NO_MATCH = f"source.join matches no row: {OURS} holds values such as 'n0.jpg', and {THEIRS} values such as 'n"


@pytest.mark.parametrize(
    ("part", "columns", "words"),
    [
        ("images", {"id": ["n0"] * (NUM_ROWS // 2)}, "has 'n0' twice"),
        (
            "instructions",
            {"imageId": ["n0", "lost", *["n1"] * (NUM_ROWS - 2)]},
            f"1 of {NUM_ROWS} rows are not joined: {OURS} names 'lost', which {THEIRS} lacks; complete the copy",
        ),
        (
            "instructions",
            {"imageId": [None, *["n1"] * (NUM_ROWS - 1)]},
            f"1 of {NUM_ROWS} rows are not joined: {OURS} names None",
        ),
        ("instructions", {"imageId": ["n0.jpg"] * NUM_ROWS}, NO_MATCH),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(
    part: str, columns: dict[str, list[Any]], words: str, mirror: Path
) -> None:
    rewritten(mirror, part, **columns)

    with pytest.raises(TaskDataError, match=words):
        load_rows(GQA, split="validation")


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("val_balanced_images", "has no configuration 'val_balanced_images'"),
        ("val_balanced_instructions", "has no configuration 'val_balanced_instructions'"),
    ],
)
def test_a_mirror_without_a_configuration_is_refused_before_the_start(lost: str, words: str, mirror: Path) -> None:
    readme = mirror / FOLDER / "README.md"
    readme.write_text(readme.read_text().replace(f"config_name: {lost}", "config_name: other"))

    with pytest.raises(ConfigError, match=words):
        check_readable(GQA, split="validation", language="en")
    check_readable(GQA, split="train", language="en")


@pytest.mark.usefixtures("mirror")
def test_a_missing_column_of_either_configuration_is_named() -> None:
    def asked(**fields: str) -> TaskSpec:
        assert GQA.source.type == "hub"
        join = GQA.source.join.model_copy(update=fields)  # type: ignore[union-attr]
        return GQA.model_copy(update={"source": GQA.source.model_copy(update={"join": join})})

    for field, value in (("on", "image_id"), ("key", "image_id")):
        with pytest.raises(ConfigError, match=r"has no column 'image_id' in val\.parquet"):
            check_readable(asked(**{field: value}), split="validation", language="en")
        with pytest.raises(TaskDataError, match=r"no column 'image_id' to join; .*correct source\.join"):
            load_rows(asked(**{field: value}), split="validation")


def test_a_join_that_no_column_of_the_task_reads_is_refused() -> None:
    assert GQA.source.type == "hub"
    join = GQA.source.join.model_copy(update={"columns": ("caption",)})  # type: ignore[union-attr]
    unread = GQA.model_copy(update={"source": GQA.source.model_copy(update={"join": join})})

    with pytest.raises(
        ConfigError, match=r"no column of the task is one of caption, so '.split._balanced_images' would"
    ):
        check_task(unread)
    check_task(GQA)


def test_an_old_source_has_the_identity_that_it_had() -> None:
    assert "join" not in task("vqa_v2").identity()["source"]  # type: ignore[operator]
    assert GQA.identity()["source"]["join"]["on"] == "imageId"  # type: ignore[index]
