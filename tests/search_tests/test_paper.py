"""What a sweep gives to a paper: tables, the checklist, and the statistics in it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.record import open_record
from search.report import read_contents
from search.report.checklist import write_checklist
from search.report.paper_tables import latex
from search.report.run_statistics import chance_to_beat, expected_best, numbers_of_trials
from tests.search_tests.compare.test_compare import filled


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("record") / "record.db")


def printed(record: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert exit_code([*words, "--record", str(record), "--store", str(record.parent / "none")]) == 0
    return capsys.readouterr().out


def test_the_expected_best_is_the_mean_over_all_draws() -> None:
    scores = [0.5, 0.2, 0.9]
    for num in (1, 2, 3):
        draws = itertools.product(scores, repeat=num)
        assert expected_best(scores, num=num) == pytest.approx(statistics.fmean(map(max, draws)))
    assert numbers_of_trials(24) == [1, 2, 5, 10, 20, 24]
    assert numbers_of_trials(1) == [1]


def test_a_run_beats_another_as_often_as_pairs_say() -> None:
    assert chance_to_beat([3.0, 1.0], [2.0, 1.0]) == (1 + 1 + 0 + 0.5) / 4


def test_names_and_signs_survive_in_latex() -> None:
    assert latex(r"nlvr2_a & 50 % \x {y}") == r"nlvr2\_a \& 50 \% \textbackslash{}x \{y\}"
    assert latex("+2.00 [-0.50, +1.00], p-value") == "$+$2.00 [$-$0.50, $+$1.00], p-value"


def test_a_comparison_is_a_table_of_latex(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(record, capsys, "compare", "sweep", "--table", "latex").splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert lines[2] == r"\begin{tabular}{lrrrrrrl}"
    assert [line.count("&") for line in body] == [7] * 4
    assert body[0] == r"none & 18 & 18 & 50.00 & - & - & - & baseline \\"
    assert body[1].startswith(r"multimodal & 18 & 6 & 52.00 & $+$2.00 & [$+$")
    assert "control nlvr2@shuffled (control of multimodal)" in body[2]


def test_languages_are_a_table_whose_means_are_those_of_the_comparison(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(record, capsys, "compare", "sweep", "--table", "markdown", "--languages").splitlines()
    assert lines[0] == "| group | de | en | sw | average |"
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: |"
    assert lines[2] == "| none | 45.00 | 55.00 | 50.00 | 50.00 |"
    assert lines[3] == "| multimodal | **47.00** | **57.00** | **52.00** | **52.00** |"
    assert exit_code(["compare", "sweep", "--languages", "--record", str(record)]) == 2


def test_the_checklist_answers_or_names_the_command_that_would(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.md"
    answer = printed(record, capsys, "report", "sweep", "--checklist", "--out", str(file), "--json")
    text = file.read_text()
    assert json.loads(answer) == {"checklist": str(file), "missing": text.count("- [ ] ")}
    assert "- [x] Seeds" in text
    assert "- [ ] Range of each searched parameter" in text  # the record's spec has none
    assert "- [ ] Selection, with fresh seeds" in text
    assert "xstilts confirm sweep" in text
    assert "| multimodal | 18 |" in text
    assert "| multimodal | 1.00 | 18 x 18 |" in text
    file.write_text("my notes")
    assert exit_code(["report", "sweep", "--checklist", "--out", str(file), "--record", str(record)]) == 2
    assert file.read_text() == "my notes"


def test_a_confirmation_answers_what_was_missing(record: Path) -> None:
    with open_record(record, read_only=True) as opened:
        contents = read_contents(opened, sweep="sweep")
        found = contents.comparisons[0].comparison
        assert found is not None
        fresh = found.model_copy(update={"protocol": found.protocol.model_copy(update={"selection": "fresh"})})
        reported = dataclasses.replace(contents.comparisons[0], comparison=fresh)
        text = write_checklist(opened, dataclasses.replace(contents, comparisons=(*contents.comparisons, reported)))
    assert "- [x] Selection, with fresh seeds" in text
    assert "- [x] Probability that a fresh run beats the baseline" in text
