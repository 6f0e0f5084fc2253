"""A sweep in Python: its best trials, comparisons and plots, as text and as a notebook shows them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

import search
from search.record import open_record
from tests.search_tests.building import proposal, result


@pytest.fixture
def sweep(tmp_path: Path) -> search.Sweep:
    """Six finished trials, the odd ones of family text and better, and one that is proposed."""
    place = str(tmp_path / "record.db")
    with open_record(place) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=8)
        for number in range(6):
            family = "text" if number % 2 else "none"
            record.propose("demo", proposal=proposal(family, rate=0.1 * number))
            record.start("demo", number=number)
            key = "0123456789"[number]
            record.finish("demo", number=number, result=result(0.5 + number / 50, key=key))
        record.propose("demo", proposal=proposal())
    return search.open_sweep("demo", record=place, store=str(tmp_path / "store"))


def test_the_best_are_objects_a_frame_and_a_table(sweep: search.Sweep) -> None:
    best = sweep.best(top=2)

    assert [trial.trial for trial in best] == [5, 4]
    assert (best[0].family, len(best)) == ("text", 2)
    assert list(best.frame().score) == pytest.approx([0.6, 0.58])
    assert "Best of demo by average" in repr(best)
    assert best._repr_html_().count("<tr") == 3


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({"by": "family", "top": 1}, [5, 4]),
        ({"where": "family = 'none'", "top": 1}, [4]),
        ({"where": ["family = 'none'", "number < 3"], "top": 1}, [2]),
        ({"metric": "sw", "top": 1}, [5]),
        ({"rung": 0, "top": 1}, [5]),
    ],
)
def test_the_best_take_what_the_command_takes(sweep: search.Sweep, options: dict, numbers: list[int]) -> None:
    assert [trial.trial for trial in sweep.best(**options)] == numbers


def test_a_comparison_has_verdicts_a_frame_and_a_table(sweep: search.Sweep) -> None:
    found = sweep.compare()

    assert [group.group for group in found.groups] == ["none", "text"]
    assert found.groups[1].effect == pytest.approx(2.0)
    assert list(found.frame().verdict) == ["baseline", "undecided"]
    assert "demo by family, average dev score, against none" in str(found)
    assert "mean: over seeds" in found._repr_html_()


@pytest.mark.parametrize("name", ["families", "languages", "history", "cost"])
def test_a_plot_is_a_picture_with_its_numbers(sweep: search.Sweep, tmp_path: Path, name: str) -> None:
    plot = getattr(sweep, f"plot_{name}")()
    shown = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', plot._repr_html_())

    assert shown is not None
    assert base64.b64decode(shown[1]).decode() == plot.svg
    assert len(plot.frame()) > 0
    assert plot.save(tmp_path / "new" / "plot.svg").read_text() == plot.svg
    assert plot.save(tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_without_numbers_says_what_it_needs(sweep: search.Sweep) -> None:
    with pytest.raises(search.InputError, match="no plot 'importance' yet: it needs about ten finished trials"):
        sweep.plot_importance()


def test_another_suffix_of_a_picture_is_refused(sweep: search.Sweep) -> None:
    with pytest.raises(search.InputError, match=r"use \.svg or \.png"):
        sweep.plot_history().save("plot.gif")


def test_a_sweep_shows_its_progress_its_best_and_its_history(sweep: search.Sweep) -> None:
    assert repr(sweep) == "Sweep('demo': 6 of 8 trials done, best average 0.6000)"
    shown = sweep._repr_html_()
    assert "6 of 8" in shown
    assert "Best of demo" in shown
    assert "data:image/svg+xml" in shown


def test_a_sweep_without_results_shows_its_progress(tmp_path: Path) -> None:
    place = str(tmp_path / "record.db")
    with open_record(place) as record:
        record.put_sweep("new", spec={}, objective="average", planned_trials=2)
    sweep = search.open_sweep("new", record=place)

    assert "0 of 2" in sweep._repr_html_()
    assert "no trial yet" in repr(sweep.best())
    assert sweep.wait(seconds=1) is False
    with pytest.raises(search.InputError, match="has no plot 'history' yet"):
        sweep.plot_history()


def test_names_of_trials_cannot_put_markup_on_a_page(tmp_path: Path) -> None:
    place = str(tmp_path / "record.db")
    with open_record(place) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal(task="<script>alert(1)</script>"))
        record.start("demo", number=0)
        record.finish("demo", number=0, result=result(0.5))

    assert "<script" not in search.open_sweep("demo", record=place).best()._repr_html_()
