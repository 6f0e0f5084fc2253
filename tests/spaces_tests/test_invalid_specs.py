"""A corpus of invalid specs, through the command: exit code 2, the field's path, the rule, what to do; no traceback.

The rows of `test_sweep_spec.INVALID` are run too.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from search.cli.main import exit_code
from spaces.error_values import holds_value, shown, value_at
from spaces.sweep_spec import make_sweep_spec
from tests.rights import close, run_by_rights
from tests.spaces_tests.hostile import ARGUMENTS, DOCUMENTS, FILES, GOOD
from tests.spaces_tests.test_sweep_spec import INVALID, changed
from trainables.errors import ConfigError

MORE: list[tuple[str, str, object, str, str]] = [
    ("trials is a bool", "trials", True, "trials", "whole number"),
    ("trials is null", "trials", None, "trials", "whole number"),
    ("trials with a point", "trials", 2.5, "trials", "whole number"),
    ("sampler as text", "sampler", "tpe", "sampler", "mapping"),
    ("no startup", "sampler/num_startup", 0, "sampler.num_startup", "1 or more"),
    (
        "points without given",
        "sampler/points",
        [{"name": "a", "assignment": {}}],
        "sampler",
        "name: given needs points",
    ),
    ("rungs below one", "rungs/num", 0, "rungs.num", "1 or more"),
    ("eta of one", "rungs/eta", 1, "rungs.eta", "2 or more"),
    ("unknown rung field", "rungs/levels", 3, "rungs.levels", "no such field"),
    ("unknown growing phase", "rungs/grow", ["targt"], "rungs.grow", "'target'"),
    ("pruner without rungs", "pruner/name", "median", "pruner", "one rung"),
    ("unknown pruner", "pruner/name", "hyperbnd", "pruner.name", "did you mean 'hyperband'"),
    ("threshold of one", "pruner", {"name": "wilcoxon", "p_threshold": 1.0}, "pruner.p_threshold", "below 1"),
    ("no patience", "pruner", {"name": "patient", "patience": 0}, "pruner.patience", "1 or more"),
    ("families as a list", "families", ["text"], "families", "mapping"),
    ("search as a list", "search", [1], "search", "mapping"),
    ("trial as text", "trial", "demo", "trial", "mapping"),
    ("seed too large", "seed", 2**31, "seed", "below"),
    (
        "infinity in a choice",
        "families/text/learning_rate",
        {"choice": [1e-5, float("inf")]},
        "families.text.learning_rate.choice.1",
        "neither infinite",
    ),
    ("empty name", "name", "", "name", "letters"),
    ("misspelt objective", "objective", "englsh", "objective", "did you mean 'english'"),
    ("null search value", "search/target.learning_rate", None, "search.target.learning_rate", "number"),
    ("dropout text", "trial/target/dropout", "none", "trial.target.dropout", "number"),
    ("batch size zero", "trial/target/batch_size", 0, "trial.target.batch_size", "1 or more"),
    ("pooling misspelt", "trial/target/pooling", "meen", "trial.target.pooling", "did you mean 'mean'"),
    ("precision misspelt", "trial/engine/precision", "bfloat61", "trial.engine.precision", "did you mean 'bfloat16'"),
    (
        "pooling misspelt in a choice",
        "search/target.pooling",
        {"choice": ["mean", "frist"]},
        "search.target.pooling",
        "did you mean 'first'",
    ),
    ("int range of a rate", "search/target.learning_rate", {"int": [0, 3]}, "search.target.learning_rate", "above 0"),
    (
        "range with three ends",
        "search/target.dropout",
        {"float": [0.0, 0.1, 0.2]},
        "search.target.dropout",
        "[low, high]",
    ),
    (
        "range of bools",
        "search/target.dropout",
        {"float": [False, True]},
        "search.target.dropout",
        "two finite numbers",
    ),
    (
        "range beyond what a sampler counts",
        "search/target.seed",
        {"int": [0, 2**64]},
        "search.target.seed",
        "two finite numbers",
    ),
    ("range of a word", "search/target.pooling", {"log": [1, 2]}, "search.target.pooling", ""),
    (
        "default of a range as text",
        "search/target.dropout",
        {"float": [0.0, 0.2], "default": "low"},
        "search.target.dropout.default",
        "not in",
    ),
    (
        "warmup twice",
        "trial/target/schedule",
        {"warmup_steps": 3, "warmup_fraction": 0.2},
        "trial.target.schedule",
        "no effect",
    ),
    ("objectives misspelt", "objective", ["average", "secnds"], "objective", "did you mean 'seconds'"),
    ("cost alone", "objective", "seconds", "objective", "[average, seconds]"),
    ("cost first", "objective", ["steps", "average"], "objective", "first objective decides"),
    ("objective twice", "objective", ["average", "average"], "objective", "list each once"),
    ("constraint malformed", "constraints", ["target.steps <"], "constraints.0", "cannot be read"),
    ("constraint on no field", "constraints", ["target.stpes < 3"], "constraints.0", "did you mean 'steps'"),
    ("constraint on code", "constraints", ["__import__('os')"], "constraints.0", "cannot be read"),
    ("constraint that nothing meets", "constraints", ["target.steps < 0"], "constraints.0", "loosen"),
    ("constraint as a number", "constraints", [3], "constraints.0", "text"),
    ("constraint of two kinds", "constraints", ["target.steps == 'x'"], "constraints.0", "values of one kind"),
    ("constraint on an absent phase", "constraints", ["pretraining.steps > 3"], "constraints.0", "no effect"),
    (
        "when malformed",
        "search/target.dropout",
        {"float": [0.0, 0.2], "when": "target.steps >"},
        "search.target.dropout.when",
        "cannot be read",
    ),
    (
        "when on itself",
        "search/target.dropout",
        {"float": [0.0, 0.2], "when": "target.dropout > 0.1"},
        "search.target.dropout.when",
        "the parameter itself",
    ),
    (
        "when misspelt",
        "search/target.dropout",
        {"float": [0.0, 0.2], "whn": "family == 'text'"},
        "search.target.dropout",
        "did you mean 'when'",
    ),
    (
        "when on a fixed value",
        "search/target.dropout",
        {"float": [0.0, 0.2], "when": "target.steps > 5"},
        "search.target.dropout.when",
        "fixed at",
    ),
    (
        "schedule misspelt",
        "trial/target/schedule",
        {"kind": "linaer"},
        "trial.target.schedule.kind",
        "did you mean 'linear'",
    ),
    ("priors as a list", "priors", ["text"], "priors", "mapping"),
    ("misspelt priors", "priors", {"arm": {}}, "priors.arm", "did you mean 'arms'"),
    (
        "prior of an unknown family",
        "priors",
        {"arms": {"family": {"txt": 0.5}}},
        "priors.arms.family.txt",
        "did you mean 'text'",
    ),
    ("prior of a misspelt choice", "priors", {"arms": {"famly": {"text": 0.5}}}, "priors.arms.famly", "'family'"),
    ("prior without numbers", "priors", {"arms": {"family": {}}}, "priors.arms.family", "has no arm"),
    ("prior as text", "priors", {"arms": {"family": {"text": "good"}}}, "priors.arms.family.text", "number"),
    ("infinite prior", "priors", {"arms": {"family": {"text": float("inf")}}}, "priors.arms.family.text", "infinite"),
    (
        "density over a misspelt parameter",
        "priors",
        {"densities": {"target.learning_rat": {"centre": 1e-4, "confidence": 0.5}}},
        "priors.densities.target.learning_rat",
        "did you mean 'target.learning_rate'",
    ),
    (
        "density over a choice of families",
        "priors",
        {"densities": {"family": {"centre": 1.0, "confidence": 0.5}}},
        "priors.densities.family",
        "priors.arms.family",
    ),
    (
        "density without a confidence",
        "priors",
        {"densities": {"target.learning_rate": {"centre": 1e-4}}},
        "priors.densities.target.learning_rate.confidence",
        "add it",
    ),
    (
        "density that is certain",
        "priors",
        {"densities": {"target.learning_rate": {"centre": 1e-4, "confidence": 1.0}}},
        "priors.densities.target.learning_rate.confidence",
        "less than 1",
    ),
    (
        "unknown field of a density",
        "priors",
        {"densities": {"target.learning_rate": {"centre": 1e-4, "confidence": 0.5, "spread": 0.1}}},
        "priors.densities.target.learning_rate.spread",
        "no such field",
    ),
    (
        "centre outside the range",
        "priors",
        {"densities": {"target.learning_rate": {"centre": 5.0, "confidence": 0.5}}},
        "priors.densities.target.learning_rate.centre",
        "a number from",
    ),
    ("earlier sweep without a name", "priors", {"earlier": {}}, "priors.earlier.sweep", "add it"),
    (
        "earlier trial outside the space",
        "priors",
        {
            "earlier": {
                "sweep": "a",
                "trials": [{"number": 0, "assignment": {"family": "text"}, "score": 0.1, "is_same": True}],
            }
        },
        "priors.earlier.trials.0",
        "not in the space",
    ),
]
"""Name, place in the base spec, value, field that the message names, words of its rule or advice."""

CORPUS = [*INVALID, *MORE]
NOTHING_THERE = {"families/control", "priors"}
"""Places of rows whose message names a field that should be there, and is not."""
MAX_SECONDS = 2.0
"""Of a processor, for one spec, in a process that has started; most take a hundredth of it."""


def test_the_corpus_is_large_and_without_twins() -> None:
    assert len({name for name, *_ in CORPUS}) == len(CORPUS)
    assert len({(path, repr(value)) for _, path, value, *_ in CORPUS}) == len(CORPUS)
    assert len(CORPUS) + len(DOCUMENTS) + len(FILES) + len(ARGUMENTS) >= 250


@pytest.fixture(scope="module", autouse=True)
def _started() -> None:
    """Import what the command imports: that is no spec's time."""
    importlib.import_module("search.forecast.preview")
    importlib.import_module("search.driver.earlier_sweep")
    exit_code(["search", "gone.yaml"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, without anything of the user's environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XSTILTS_HOME", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "value", "field", "words"), [row[1:] for row in CORPUS], ids=[row[0] for row in CORPUS]
)
def test_a_wrong_spec_is_refused_by_the_command(
    path: str, value: object, field: str, words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "wrong.yaml").write_text(yaml.safe_dump(changed(path, value), sort_keys=False))

    said = refusal([], place, capsys)

    assert said.startswith(f"xstilts: {field}")
    assert words in said


def refusal(options: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is said of a spec that is refused: in one line and at once, with nothing made."""
    before = sorted(place.rglob("*"))
    started = time.process_time()
    code = exit_code(["search", "wrong.yaml", *options])
    seconds = time.process_time() - started

    printed = capsys.readouterr()
    said = printed.err
    if said.startswith("Usage:"):  # click's own: how the command is used, then what is wrong
        said = said.rpartition("\n\n")[2]
    assert (code, printed.out) == (2, "")
    assert said.count("\n") == 1
    assert said.removesuffix("\n").isprintable()
    assert "Traceback" not in said
    assert seconds < MAX_SECONDS
    assert sorted(place.rglob("*")) == before
    return said


@pytest.mark.parametrize(("content", "words"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_hostile_document_is_refused_by_the_command(
    content: str | bytes, words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "wrong.yaml").write_bytes(content.encode() if isinstance(content, str) else content)

    assert words in refusal([], place, capsys)


@pytest.mark.parametrize(("make", "words"), FILES.values(), ids=FILES)
def test_what_is_no_readable_file_is_refused_by_the_command(
    make: Callable[[Path], object], words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(place / "wrong.yaml")

    assert words in refusal([], place, capsys)


@pytest.mark.parametrize(("options", "words"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_hostile_options_are_refused_by_the_command(
    options: list[str], words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "wrong.yaml").write_text(GOOD)

    assert words in refusal(options, place, capsys)


def test_a_file_that_may_not_be_read_is_refused(place: Path, tmp_path: Path) -> None:
    (place / "wrong.yaml").write_text(GOOD)
    close(place / "wrong.yaml")

    (ended,) = run_by_rights([["search", "wrong.yaml"]], folder=place, home=tmp_path / "home")

    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "Permission denied" in ended.err


def test_the_spec_that_they_are_made_from_is_a_good_one() -> None:
    document = yaml.safe_load(GOOD.replace("1e-4", "0.0001").replace("1e-2", "0.01"))

    assert make_sweep_spec(document).trials == 4


@pytest.mark.parametrize(("path", "value"), [row[1:3] for row in CORPUS], ids=[row[0] for row in CORPUS])
def test_the_message_repeats_the_value_at_its_field(path: str, value: object) -> None:
    document = changed(path, value)
    with pytest.raises(ConfigError) as caught:
        make_sweep_spec(document)

    said = str(caught.value).removeprefix(f"{caught.value.field}: ")
    found = value_at(document, path=caught.value.field)
    assert not found or any(holds_value(one, message=said) for one in parts_of(found[0])) or shown(found[0]) in said
    assert found or (path in NOTHING_THERE and "add" in said)


def parts_of(value: object) -> list[object]:
    """Return a value and all that stands in it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(part for one in inner for part in parts_of(one))]


def test_a_process_of_its_own_says_the_same(place: Path) -> None:
    (place / "wrong.yaml").write_text(yaml.safe_dump(changed("families/text/learning_rate", -1.0)))

    done = subprocess.run(
        [sys.executable, "-c", "from search.cli.main import main; main()", "search", "wrong.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "families.text.learning_rate: -1.0: input should be greater than 0; choose a number above 0" in done.stderr
    assert "Traceback" not in done.stderr
