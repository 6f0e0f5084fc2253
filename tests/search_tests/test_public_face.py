"""The public interface of `search`: its names, and the example in its docstring."""

from __future__ import annotations

import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import search
from search.interface.sweep_results import Sweep
from search.record import Record
from tests.search_tests.building import proposal, result

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_those_of_all() -> None:
    functions = ["launch", "load_spec", "open_sweep", "resume", "run_trial", "to_yaml"]
    classes = ["InputError", "RunError", "Sweep", "SweepSpec", "TrialConfig", "TrialResult"]
    assert search.__all__ == [*classes, *functions]
    assert search.Sweep is Sweep
    assert all(inspect.isfunction(getattr(search, name)) for name in functions)
    assert all(inspect.isclass(getattr(search, name)) for name in classes)
    assert all(f"`{name}`" in (search.__doc__ or "") for name in search.__all__)


def test_the_page_has_every_public_name_and_method() -> None:
    page = (ROOT / "docs/api.md").read_text()
    methods = [name for name in vars(Sweep) if not name.startswith("_")]

    assert [name for name in search.__all__ if f"### `{name}" not in page] == []
    assert [name for name in methods if f"#### `{name}" not in page] == []


@pytest.mark.parametrize("package", ["search", "spaces", "trainables"])
def test_the_packages_say_that_they_are_typed(package: str) -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]

    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in data[package]


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'search' has no attribute 'run_sweep'"):
        search.run_sweep  # type: ignore[attr-defined]  # noqa: B018


def test_the_example_of_the_docstring_runs(
    record: Record,
    new_place: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record.propose("demo", proposal=proposal("text"))
    record.start("demo", number=0)
    record.finish("demo", number=0, result=result(0.5))
    monkeypatch.setenv("XSTILTS_RECORD", new_place())
    example = re.search(r"^    import search\n(?:    .*\n|\n)*", search.__doc__ or "", re.MULTILINE)
    assert example is not None

    exec(textwrap.dedent(example[0]), {})  # noqa: S102  our own example

    assert re.search(r"text\s+0\.5", capsys.readouterr().out)
