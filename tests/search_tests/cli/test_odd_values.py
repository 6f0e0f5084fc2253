"""Numbers, texts, paths and URLs that no one should give: each is one short message and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.home import find_home
from search.record import open_record
from tests.contracts.smallest import smallest_spec
from tests.search_tests.building import proposal, result

HUGE = "99999999999999999999999"
LONG, SPACED = "x" * 200_000, "x y " * 50_000
PATH = "/".join(["d" * 200] * 40)
TRIAL = """
encoder: {name: miniature}
target: {mixture: {miniature_nli: 1.0}, steps: 1, num_dev_items: 0}
evaluation: {task: miniature_nli, num_items: 2}
engine: {device: cpu}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a record, a store, a spec and a trial."""
    for name in ("XSTILTS_MIRROR", "RAY_ADDRESS", "XSTILTS_RECORD", "XSTILTS_RECORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "spec.yaml").write_text(smallest_spec("odd"))
    (tmp_path / "trial.yaml").write_text(TRIAL)
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
        record.start("demo", number=0)
        record.finish("demo", number=0, result=result(0.5))
    find_home().open_store()
    return tmp_path


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert exit_code(words) == 2
    said = capsys.readouterr().err
    assert len(said) < 4500
    return said


WHOLE = [
    ["best", "demo", "--top"],
    ["best", "demo", "--rung"],
    ["show", "demo"],
    ["export", "demo"],
    ["predictions", "demo"],
    ["confirm", "demo", "--seeds"],
    ["confirm", "demo", "--top"],
    ["sql", "demo", "SELECT 1 a", "--limit"],
    ["stages", "gc", "--keep-best"],
    ["stages", "gc", "--max-bytes"],
    ["run", "trial.yaml", "--seed"],
    ["run", "trial.yaml", "--workers"],
    ["tasks", "rank", "spec.yaml", "--items"],
    ["report", "demo", "--port"],
    ["search", "spec.yaml", "--trials"],
    ["resume", "demo", "--trials"],
    ["cluster", "submit", "spec.yaml", "--trials"],
]


@pytest.mark.parametrize("number", [HUGE, "9" * 6000, str(2**63), "nan", "1e5"])
@pytest.mark.parametrize("words", WHOLE, ids=" ".join)
def test_a_whole_number_has_a_bound(words: list[str], number: str, capsys: pytest.CaptureFixture[str]) -> None:
    after = ["folder"] if words[0] in {"export", "predictions"} else []
    assert "Invalid value" in refused([*words, number, *after], capsys)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize(
    "words",
    [
        ["compare", "demo", "--margin"],
        ["confirm", "demo", "--margin"],
        ["sql", "demo", "SELECT 1", "--seconds"],
        ["cluster", "up", "--wait"],
    ],
    ids=" ".join,
)
def test_a_real_number_is_finite(words: list[str], number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Invalid value" in refused([*words, number], capsys)


@pytest.mark.parametrize("number", [HUGE, f"-{HUGE}", "9" * 6000, str(2**63)])
@pytest.mark.parametrize("words", [["best", "demo"], ["compare", "demo"]], ids=lambda words: words[0])
def test_a_filters_number_has_a_bound(words: list[str], number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "too large" in refused([*words, "--where", f"number = {number}"], capsys)


@pytest.mark.parametrize(
    "setting",
    [
        f"trials={HUGE}",
        "trials=.nan",
        "trials=1e30",
        f"seed={HUGE}",
        f"concurrency={HUGE}",
        f"budget={{steps: {HUGE}}}",
        "budget={hours: .inf}",
        "budget={hours: 1e300}",
        f"sampler={{name: tpe, num_startup: {HUGE}}}",
        f"trial.target.steps={HUGE}",
        f"trial.target.batch_size={HUGE}",
        f"trial.target.num_dev_items={HUGE}",
        f"trial.evaluation.num_items={HUGE}",
        "trial.target.learning_rate=.nan",
        "trial.engine.hang_seconds=1e300",
        "trial.target.mixture={miniature_nli: .nan}",
        f"trial.target.steps=0x{'f' * 5000}",
        f"families.text.steps={HUGE}",
    ],
    ids=lambda setting: setting[:40],
)
def test_a_specs_number_has_a_bound(setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["search", "spec.yaml", "--dry-run", "--set", setting], capsys)
    if setting.startswith("trial."):
        refused(["run", "trial.yaml", "--set", setting.removeprefix("trial.")], capsys)


@pytest.mark.parametrize("value", [LONG, SPACED], ids=["one word", "many words"])
@pytest.mark.parametrize(
    "words",
    [
        ["best", "demo", "--where", "{} = 1"],
        ["best", "demo", "--metric", "{}"],
        ["best", "{}"],
        ["compare", "demo", "--by", "{}"],
        ["{}"],
        ["run", "{}"],
        ["search", "{}"],
        ["search", "spec.yaml", "--dry-run", "--set", "name={}"],
        ["search", "spec.yaml", "--dry-run", "--set", "{}=1"],
        ["run", "trial.yaml", "--set", "target.pooling='{}'"],
        ["run", "trial.yaml", "--set", "encoder.name={}"],
        ["status", "--record", "{}"],
        ["stages", "list", "--store", "{}"],
        ["sql", "demo", "{}"],
        ["export", "demo", "{}", "x"],
    ],
    ids=" ".join,
)
def test_a_long_value_comes_back_shortened(words: list[str], value: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused([word.format(value) for word in words], capsys)


def test_an_answer_repeats_a_long_filter_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["best", "demo", "--where", f"family = '{SPACED}'"]) == 0
    assert len(capsys.readouterr().out) < 2000


@pytest.mark.parametrize("place_given", [PATH, f"/{PATH}", "n" * 300, "~nobody_here/x", "http://[::1", "s3://["])
@pytest.mark.parametrize(
    "words",
    [
        ["best", "demo", "--record"],
        ["stages", "list", "--store"],
        ["stages", "verify", "--store"],
        ["stages", "gc", "--store"],
        ["run", "trial.yaml", "--store"],
        ["search", "spec.yaml", "--dry-run", "--store"],
        ["search", "spec.yaml", "--dry-run", "--from"],
        ["tasks", "check"],
        ["cluster", "status", "-f"],
    ],
    ids=" ".join,
)
def test_a_place_that_cannot_be_is_refused(
    words: list[str], place_given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused([*words, place_given], capsys)


@pytest.mark.parametrize("value", [PATH, f"/{PATH}", "n" * 300, "~nobody_here/x"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("XSTILTS_HOME", ["search", "spec.yaml", "--dry-run"]),
        ("XSTILTS_RECORD", ["status"]),
        ("XSTILTS_RECORD_FILE", ["status"]),
        ("RAY_ADDRESS", ["search", "spec.yaml", "--dry-run"]),
        ("XSTILTS_MIRROR", ["search", "spec.yaml", "--dry-run"]),
        ("XSTILTS_MIRROR", ["tasks", "check", "mnli"]),
    ],
)
def test_so_is_one_in_the_environment(
    name: str, words: list[str], value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    refused(words, capsys)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * 100_000, b"one\ntwo"])
def test_a_file_that_names_no_record_is_refused(
    content: bytes, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "name").write_bytes(content)
    monkeypatch.setenv("XSTILTS_RECORD_FILE", str(place / "name"))
    assert "XSTILTS_RECORD_FILE" in refused(["status"], capsys)


@pytest.mark.parametrize("word", ["a\udcff", "a\0b"])
def test_an_argument_that_is_no_text_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["best", word], ["status", "--record", word], ["search", word], ["stages", "list", "--store", word]):
        assert "the argument" in refused(words, capsys)


def test_a_spec_file_is_held_to_the_same_bounds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for field in (f"seed: {HUGE}", f"description: [{HUGE}]", f"name: '{SPACED}'", "trials: .inf", "seed: .nan"):
        name = field.partition(":")[0]
        lines = [line for line in smallest_spec("odd").splitlines() if not line.startswith(f"{name}:")]
        (place / "bad.yaml").write_text("\n".join([*lines, field]))
        assert name in refused(["search", "bad.yaml", "--dry-run"], capsys)
