"""No task that does not ship reads a test split that the catalogue locks, whatever the way, without saying so."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from search.cli.main import exit_code
from tests.own_task import write_fields
from tests.tiny import write_repository
from tests.trainables_tests.tiny_jobs import phase, trial
from trainables.checks.preflight import check_trial
from trainables.config import EvaluationConfig
from trainables.config.auxiliary import BesideConfig, MaskedLmBeside
from trainables.data.sources import readable
from trainables.data.sources.cells import file_rows
from trainables.data.sources.locked_content import LockedRowCounter
from trainables.data.sources.readable import check_content
from trainables.errors import InputError, TaskDataError
from trainables.own_tasks.task_file import FOLDERS, load_task_file
from trainables.own_tasks.task_report import examine_task
from trainables.tasks import entry_points, registry
from trainables.tasks.registry import task
from trainables.tasks.spec import HubSource, TaskSpec

NUM_ROWS = 60
LABELS = ["entailment", "neutral", "contradiction"]
NLI = {
    "name": "sneaky",
    "kind": "sentence_pair",
    "columns": {"premise": "premise", "hypothesis": "hypothesis", "label": "label"},
    "labels": LABELS,
    "languages": ["en"],
}
HUB = {"repository": "facebook/xnli", "config": "{language}"}
DEV = {"train": ["validation"], "validation": ["validation"]}


def rows(seed: str, *, num_rows: int = NUM_ROWS) -> dict[str, list[Any]]:
    chance = random.Random(seed)  # noqa: S311  no secret
    texts = [" ".join(f"w{chance.randrange(50)}" for _ in range(8)) for _ in range(2 * num_rows)]
    labels = [number % 3 for number in range(num_rows)]
    return {"premise": texts[:num_rows], "hypothesis": texts[num_rows:], "label": labels}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror whose XNLI has a test split, in two languages."""
    configs = {
        language: {split: rows(f"{language} {split}") for split in ("train", "validation", "test")}
        for language in ("en", "de")
    }
    folder = tmp_path / "mirror"
    write_repository(folder / "datasets/facebook/xnli", configs=configs)
    monkeypatch.setenv("XSTILTS_MIRROR", str(folder))
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "prepared"))
    return folder


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget tasks that a test adopts."""
    monkeypatch.setattr(registry, "_tasks", dict(registry.tasks()))


def looked_at(folder: Path, **fields: Any) -> TaskSpec:
    """Read a task file and look at all its rows, as `search` and `tasks check` do."""
    spec = load_task_file(write_fields(folder / "my.task.yaml", **{**NLI, **fields}))
    for split in spec.splits:
        for language in spec.languages:
            check_content(spec, split=split, language=language)
    return spec


def refused(folder: Path, **fields: Any) -> str:
    with pytest.raises(InputError) as caught:
        looked_at(folder, **fields)
    message = str(caught.value)
    assert "'sneaky'" in message
    assert "`opens_test: true`" in message
    assert looked_at(folder, **fields, opens_test=True).opens_test
    return message


SPELLINGS = (
    *("test", "TEST", " test", "test?", "test[:50%]", "test[10:]", "test[:1%](pct1_dropremainder)", "test [5:]"),
    *("validation+test", "test+validation", "validation[:2] + test[2:]?", "all", "ALL", "all[:10%]"),
)


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("theirs", SPELLINGS)
def test_a_locked_split_is_known_however_it_is_written(tmp_path: Path, split: str, theirs: str) -> None:
    spec = {**NLI, "source": HUB, "splits": {**DEV, split: [theirs]}}
    with pytest.raises(InputError, match=r"'sneaky' reads the test split of 'xnli'.*`opens_test: true`"):
        load_task_file(write_fields(tmp_path / "my.task.yaml", **spec))
    assert load_task_file(write_fields(tmp_path / "my.task.yaml", **spec, opens_test=True)).opens_test


def test_a_locked_split_in_a_users_own_folder_is_known(tmp_path: Path) -> None:
    source = {"type": "captions", "variable": "XSTILTS_MULTI30K"}
    fields = {"name": "sneaky", "kind": "image_text_retrieval", "metric": "recall_at_1", "source": source}
    fields |= {"columns": {"image": "image", "caption": "caption"}, "licence": "", "citation": ""}
    splits = {"train": [task("multi30k").splits["test"][0]], "validation": ["val"]}

    with pytest.raises(InputError, match=r"'sneaky' reads the test split of 'multi30k'"):
        load_task_file(write_fields(tmp_path / "my.task.yaml", **fields, splits=splits))


@pytest.mark.parametrize("theirs", ["validation", "testing", "latest", "validation[:50%]", "train+validation", "small"])
def test_other_splits_are_free(tmp_path: Path, theirs: str) -> None:
    spec = {**NLI, "source": HUB, "splits": {"train": [theirs], "test": ["test"]}}
    assert not load_task_file(write_fields(tmp_path / "my.task.yaml", **spec)).opens_test


@pytest.mark.parametrize(
    "source",
    [
        {"repository": "Facebook/XNLI", "config": "{language}"},
        {"repository": "facebook/xnli", "config": "all_languages"},
        {"repository": "facebook/xnli", "revision": "main"},
        {"repository": "facebook/xnli", "revision": "f" * 40, "config": "en"},
    ],
)
def test_another_case_revision_or_configuration_is_the_same_data(tmp_path: Path, source: dict[str, str]) -> None:
    splits = {"train": ["validation"], "validation": ["test"]}
    with pytest.raises(InputError, match="reads the test split of 'xnli' as its validation split"):
        load_task_file(write_fields(tmp_path / "my.task.yaml", **{**NLI, "source": source, "splits": splits}))


@pytest.mark.parametrize("name", ["../..", "./.", ".../...", "facebook/..", "facebook/xnli/../xnli", "/facebook/xnli"])
def test_a_repository_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    fields = {**NLI, "source": {**HUB, "repository": name}, "splits": DEV}
    with pytest.raises(InputError, match=r"source\.repository"):
        load_task_file(write_fields(tmp_path / "my.task.yaml", **fields))


def as_parquet(source: Path, folder: Path) -> str:
    shutil.copy(source, folder / "rows.parquet")
    return "rows.parquet"


def as_link(source: Path, folder: Path) -> str:
    (folder / "linked.parquet").symlink_to(source)
    return "linked.parquet"


def as_hard_link(source: Path, folder: Path) -> str:
    (folder / "hard.parquet").hardlink_to(source)
    return "hard.parquet"


def as_csv(source: Path, folder: Path) -> str:
    pa_csv.write_csv(pq.read_table(source), folder / "rows.csv")
    return "rows.csv"


def as_jsonl(source: Path, folder: Path) -> str:
    pq.read_table(source).to_pandas().to_json(folder / "rows.jsonl", orient="records", lines=True)
    return "rows.jsonl"


def in_capitals_and_spaces(source: Path, folder: Path) -> str:
    table = pq.read_table(source).to_pydict()
    changed = {name: [f"  {text.upper().replace(' ', '  ')}" for text in table[name]] for name in ("premise",)}
    pq.write_table(pa.table({**table, **changed}), folder / "other.parquet")
    return "other.parquet"


def sides_swapped(source: Path, folder: Path) -> str:
    table = pq.read_table(source)
    pq.write_table(table.rename_columns(["hypothesis", "premise", "label"]), folder / "swapped.parquet")
    return "swapped.parquet"


def among_others(source: Path, folder: Path) -> str:
    """One language's rows among thirty times as many others: a small part of the file, but all of the test split."""
    others = pa.table(rows("others", num_rows=30 * NUM_ROWS))
    pq.write_table(pa.concat_tables([others, pq.read_table(source)]), folder / "many.parquet")
    return "many.parquet"


CONVERSIONS = (
    as_parquet,
    as_link,
    as_hard_link,
    as_csv,
    as_jsonl,
    in_capitals_and_spaces,
    sides_swapped,
    among_others,
)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("convert", CONVERSIONS)
def test_a_copy_in_a_users_file_is_known_by_its_texts(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convert: Callable[[Path, Path], str], language: str
) -> None:
    monkeypatch.setenv(FOLDERS, str(tmp_path))
    name = convert(mirror / f"datasets/facebook/xnli/{language}/test.parquet", tmp_path)
    assert f"{NUM_ROWS} of " in refused(tmp_path, source={"files": {"train": name}})
    assert f"{NUM_ROWS} of " in refused(tmp_path, source={"files": {"validation": name}})


@pytest.mark.usefixtures("mirror")
def test_rows_of_ones_own_are_free(tmp_path: Path) -> None:
    pq.write_table(pa.table(rows("mine")), tmp_path / "mine.parquet")
    assert not looked_at(tmp_path, source={"files": {"train": "mine.parquet"}}).opens_test


@pytest.mark.parametrize("way", ["copy", "symlink", "files that are symlinks", "train"])
def test_a_repository_of_another_name_is_known_by_its_texts(mirror: Path, tmp_path: Path, way: str) -> None:
    there, copy = mirror / "datasets/facebook/xnli", mirror / "datasets/me/mine"
    copy.parent.mkdir()
    if way == "symlink":
        copy.symlink_to(there)
    else:
        shutil.copytree(there, copy)
    if way == "files that are symlinks":
        for file in copy.rglob("test.parquet"):
            file.unlink()
            file.symlink_to(there / file.relative_to(copy))
    if way == "train":  # under the name of an innocent split
        for language in ("en", "de"):
            shutil.copy(there / language / "test.parquet", copy / language / "train.parquet")
    theirs = "train" if way == "train" else "test"
    fields = {"source": {**HUB, "repository": "me/mine"}, "splits": {"validation": [theirs], "train": ["validation"]}}
    assert "reads the test split of 'xnli' as its validation split" in refused(tmp_path, **fields)


def test_the_repository_itself_with_its_files_exchanged_is_known_by_its_texts(mirror: Path, tmp_path: Path) -> None:
    folder = mirror / "datasets/facebook/xnli/en"
    shutil.copy(folder / "test.parquet", folder / "validation.parquet")
    assert f"{NUM_ROWS} of {NUM_ROWS} rows" in refused(tmp_path, source=HUB, splits=DEV)


@pytest.mark.parametrize("parts", [["xnli", "mnli"], ["mnli", "snli"]])
def test_a_joined_task_cannot_read_the_test_splits_of_its_parts(tmp_path: Path, parts: list[str]) -> None:
    fields = {**NLI, "source": {"type": "composite", "parts": parts}, "splits": {"validation": ["test"]}}
    with pytest.raises(InputError, match=rf"'sneaky' reads the test split of '{parts[0]} and {parts[1]}'"):
        load_task_file(write_fields(tmp_path / "my.task.yaml", **fields))


@pytest.mark.usefixtures("mirror")
def test_a_joined_task_says_itself_that_a_part_opens_a_test_split(tmp_path: Path) -> None:
    part = looked_at(tmp_path, name="part", source=HUB, splits={"train": ["test"]}, opens_test=True)
    registry.adopt([part])
    fields = {"source": {"type": "composite", "parts": ["part", "part"]}, "splits": {"train": ["train"]}}
    assert "'part', which opens a locked test split" in refused(tmp_path, **fields)


def test_a_part_that_is_a_copy_is_refused_in_a_joined_task(mirror: Path, tmp_path: Path) -> None:
    shutil.copytree(mirror / "datasets/facebook/xnli", mirror / "datasets/me/mine")
    source = {**HUB, "repository": "me/mine"}
    part = load_task_file(write_fields(tmp_path / "p.yaml", **{**NLI, "source": source, "splits": {"train": ["test"]}}))
    registry.adopt([part])
    with pytest.raises(TaskDataError, match="reads the test split of 'xnli'"):
        looked_at(
            tmp_path,
            source={"type": "composite", "parts": ["sneaky", "mnli"]},
            splits={"train": ["train"]},
            name="joined",
        )


CONTROLS = ("sneaky@shuffled", "sneaky@equal_compute")


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_of_a_copy_is_refused(mirror: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(mirror / "datasets/facebook/xnli/en/test.parquet", tmp_path / "rows.parquet")
    fields = {**NLI, "languages": ["en"], "source": {"files": {"train": "rows.parquet"}}}
    registry.adopt([load_task_file(write_fields(tmp_path / "my.task.yaml", **fields))])
    with pytest.raises(TaskDataError, match="reads the test split of 'xnli'"):
        check_content(task(name), split="train", language="en")


@pytest.mark.parametrize("place", ["a function", "a task"])
def test_an_installed_packages_task_is_refused(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    spec = task("snli").model_copy(
        update={
            "name": "offered",
            "source": HubSource(repository="facebook/xnli", config="en"),
            "splits": {"train": ("test",)},
        }
    )

    class Point:
        dist, value, name = None, "package:task", "offered"

        def load(self) -> object:
            return (lambda: spec) if place == "a function" else spec

    monkeypatch.setattr(entry_points, "_offered", lambda: {"offered": Point()})
    with pytest.raises(TaskDataError, match=r"'offered' reads the test split of 'xnli'.*`opens_test: true`"):
        task("offered")
    spec = spec.model_copy(update={"opens_test": True})
    assert task("offered").opens_test


@pytest.mark.parametrize("how", [registry.register, lambda spec: registry.adopt([spec])])
def test_a_programs_task_is_refused(how: Callable[[TaskSpec], None]) -> None:
    source = HubSource(repository="stanfordnlp/snli")
    spec = task("snli").model_copy(update={"name": "mine", "source": source, "splits": {"validation": ("all",)}})
    with pytest.raises(TaskDataError, match="'mine' reads the test split of 'snli'"):
        how(spec)
    how(spec.model_copy(update={"opens_test": True}))


@pytest.mark.parametrize("layout", ["a file", "a folder of files", "a repository"])
def test_texts_beside_a_phase_are_no_test_data(mirror: Path, tiny_encoder: Path, tmp_path: Path, layout: str) -> None:
    add_training_data(mirror)
    texts = pq.read_table(mirror / "datasets/facebook/xnli/de/test.parquet")["premise"].to_pylist()
    place = write_texts(mirror, tmp_path / "texts", texts=texts, layout=layout)
    config = beside(tiny_encoder, masked_lm=MaskedLmBeside(texts=place, languages=("de",), ratio=0.5))
    with pytest.raises(InputError, match=r"beside\.masked_lm.*hold the test split of 'xnli'"):
        check_trial(config)


@pytest.mark.parametrize("layout", ["a file", "a folder of files"])
def test_other_texts_beside_a_phase_are_free(mirror: Path, tiny_encoder: Path, tmp_path: Path, layout: str) -> None:
    add_training_data(mirror)
    place = write_texts(mirror, tmp_path / "texts", texts=rows("wikipedia")["premise"], layout=layout)
    check_trial(beside(tiny_encoder, masked_lm=MaskedLmBeside(texts=place, languages=("de",), ratio=0.5)))


def test_translations_of_a_task_are_no_test_data(mirror: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    add_training_data(mirror)
    pq.write_table(pa.table(rows("mine")), tmp_path / "en.parquet")
    shutil.copy(mirror / "datasets/facebook/xnli/de/test.parquet", tmp_path / "de.parquet")
    fields = {**NLI, "languages": ["en", "de"], "source": {"files": {"train": "{language}.parquet"}}}
    registry.adopt([load_task_file(write_fields(tmp_path / "my.task.yaml", **fields))])
    with pytest.raises(InputError, match=r"beside\.translations.*reads the test split of 'xnli'"):
        check_trial(beside(tiny_encoder, mixture={"sneaky": 1.0}, translations=("de",)))


@pytest.mark.parametrize("place", ["intermediate", "target", "evaluation", "further"])
def test_a_trial_is_refused_before_it_starts_wherever_it_reads_the_task(
    mirror: Path, tiny_encoder: Path, tmp_path: Path, place: str
) -> None:
    add_training_data(mirror)
    shutil.copy(mirror / "datasets/facebook/xnli/en/test.parquet", tmp_path / "rows.parquet")
    files = {"train": "rows.parquet", "validation": "rows.parquet"}
    fields = {**NLI, "languages": ["en"], "source": {"files": files}}
    registry.adopt([load_task_file(write_fields(tmp_path / "my.task.yaml", **fields))])
    sneaky, evaluation = (
        phase(mixture={"sneaky": 1.0}),
        EvaluationConfig(task="sneaky", languages=("en",), max_length=48),
    )
    xnli = EvaluationConfig(languages=("en",), max_length=48)
    entry = {"target": (phase(),), "evaluation": evaluation}
    changed = {
        "intermediate": {"intermediate": sneaky},
        "target": {"target": sneaky},
        "evaluation": {"evaluation": evaluation},
        "further": {"further": {"sneaky": entry}},
    }[place]
    with pytest.raises(InputError, match=r"'sneaky' reads the test split of 'xnli'.*`opens_test: true`"):
        check_trial(trial(tiny_encoder, **{"evaluation": xnli, **changed}))


@pytest.mark.usefixtures("mirror")
def test_the_rows_of_a_users_file_are_read_once_for_all_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table(rows("mine")), tmp_path / "mine.parquet")
    spec = load_task_file(write_fields(tmp_path / "t.yaml", **NLI, source={"files": {"train": "mine.parquet"}}))
    read: list[str] = []

    def counted(*words: Any, split: str, **rest: Any) -> Any:
        read.append(split)
        return file_rows(*words, split=split, **rest)

    monkeypatch.setattr(readable, "file_rows", counted)
    for _ in range(2):
        readable.check_readable(spec, split="train", language="en")
        check_content(spec, split="train", language="en")
    assert read == ["train"]


def test_rows_count_for_the_languages_that_have_all_their_parts(mirror: Path) -> None:
    """Parts that recur in several languages, rows without parts, and rows that hold one part only."""
    texts = {"en": ["a", "b", "b", "c"], "de": ["b", "b", "x", ""]}
    for language, (first, second, third, fourth) in texts.items():
        columns = {"premise": [first, third], "hypothesis": [second, fourth], "label": [0, 1]}
        pq.write_table(pa.table(columns), mirror / f"datasets/facebook/xnli/{language}/test.parquet")
    counter = LockedRowCounter(task("xnli").model_copy(update={"name": "mine"}), split="train")
    pairs = {"ab": ["en"], "bb": ["en", "de"], "ca": ["en"], "xb": ["de"], "ax": [], "yy": []}
    for pair, languages in pairs.items():
        counter._found.clear()  # pyright: ignore[reportPrivateUsage]
        counter.add({"premise": [pair[0]], "hypothesis": [pair[1]], "label": [0]})
        assert sorted(language for _, language in counter._found) == sorted(languages)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("num_rows", [1, 4])
def test_a_few_short_sentences_that_coincide_are_free(mirror: Path, tmp_path: Path, num_rows: int) -> None:
    locked = pq.read_table(mirror / "datasets/facebook/xnli/en/test.parquet").slice(0, num_rows)
    pq.write_table(pa.concat_tables([pa.table(rows("mine")), locked]), tmp_path / "mine.parquet")
    looked_at(tmp_path, source={"files": {"train": "mine.parquet"}})


def test_a_pair_of_two_languages_sentences_is_no_locked_row(mirror: Path, tmp_path: Path) -> None:
    """A premise of one language's rows and a hypothesis of another's stand in no test split."""
    tables = [pq.read_table(mirror / f"datasets/facebook/xnli/{name}/test.parquet") for name in ("en", "de")]
    mixed = {"premise": tables[0]["premise"], "hypothesis": tables[1]["hypothesis"], "label": tables[0]["label"]}
    pq.write_table(pa.table(mixed), tmp_path / "mixed.parquet")
    looked_at(tmp_path, source={"files": {"train": "mixed.parquet"}})


def test_images_count_with_their_texts(mirror: Path) -> None:
    files = [f"image {number}".encode() for number in range(NUM_ROWS)]
    rows_of_images = {"image": [{"bytes": file, "path": None} for file in files], "caption": rows("images")["premise"]}
    columns = {"image": rows_of_images["image"], "caption": [[text] * 5 for text in rows_of_images["caption"]]}
    write_repository(mirror / "datasets/umaru97/flickr30k_train_val_test", configs={"default": {"test": columns}})
    spec = task("flickr30k").model_copy(update={"name": "pictures"})

    def counted(**changes: list[Any]) -> LockedRowCounter:
        counter = LockedRowCounter(spec, split="train")
        counter.add({**{name: columns[name] for name in ("image", "caption")}, **changes})
        return counter

    with pytest.raises(TaskDataError, match="reads the test split of 'flickr30k'"):
        counted().check()
    counted(image=[{"bytes": file + b"!", "path": None} for file in files]).check()
    counted(caption=[["other"] * 5 for _ in files]).check()


@pytest.mark.usefixtures("mirror")
def test_tasks_check_refuses_a_copy_too(mirror: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    shutil.copy(mirror / "datasets/facebook/xnli/en/test.parquet", tmp_path / "rows.parquet")
    fields = {**NLI, "languages": ["en"], "source": {"files": {"train": "rows.parquet"}}}
    spec = load_task_file(write_fields(tmp_path / "my.task.yaml", **fields))
    with pytest.raises(TaskDataError, match="reads the test split of 'xnli'"):
        examine_task(spec, encoder=str(tiny_encoder), max_length=48)


def add_training_data(mirror: Path) -> None:
    """Add the task that the target phase trains on."""
    splits = {split: rows(f"mnli {split}") for split in ("train", "validation_matched")}
    write_repository(mirror / "datasets/nyu-mll/glue", configs={"mnli": splits})


def beside(encoder: Path, *, mixture: dict[str, float] | None = None, **fields: Any) -> Any:
    work = phase(mixture=mixture or {"mnli": 1.0}, beside=BesideConfig(**fields))
    return trial(encoder, intermediate=work, evaluation=EvaluationConfig(languages=("en",), max_length=48))


def write_texts(mirror: Path, folder: Path, *, texts: list[str], layout: str) -> str:
    """Write texts in German in one of the layouts that are read; returns what a phase names them by."""
    if layout == "a repository":
        write_repository(mirror / "datasets/me/texts", configs={"de": {"train": {"text": texts}}})
        return "me/texts"
    place = folder / ("de.txt" if layout == "a file" else "de/part.txt")
    place.parent.mkdir(parents=True)
    place.write_text("\n".join(texts))
    return str(folder)


@pytest.mark.parametrize("command", ["tasks check", "run"])
@pytest.mark.parametrize("way", ["name", "copy"])
def test_the_commands_refuse_it_with_exit_code_2(
    mirror: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    way: str,
) -> None:
    add_training_data(mirror)
    shutil.copy(mirror / "datasets/facebook/xnli/en/test.parquet", tmp_path / "rows.parquet")
    by_name = {"source": HUB, "splits": {"train": ["validation+test"]}}
    fields = by_name if way == "name" else {"source": {"files": {"train": "rows.parquet"}}}
    file = write_fields(tmp_path / "my.task.yaml", **{**NLI, **fields})
    work = {"mixture": {"sneaky": 1.0}, "steps": 4, "num_dev_items": 0, "max_length": 48}
    trial_file = {"tasks": [file.name], "encoder": {"name": str(tiny_encoder)}, "intermediate": work}
    write_fields(
        tmp_path / "trial.yaml",
        **trial_file,
        target={**work, "mixture": {"mnli": 1.0}},
        evaluation={"languages": ["en"], "max_length": 48},
        engine={"device": "cpu"},
    )
    words = {
        "tasks check": ["tasks", "check", str(file), "--encoder", str(tiny_encoder)],
        "run": ["run", str(tmp_path / "trial.yaml")],
    }[command]
    assert exit_code(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "'sneaky' reads the test split of 'xnli' as its train split" in said
    assert "`opens_test: true`" in said
