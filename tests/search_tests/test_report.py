from __future__ import annotations

import json
import math
import random
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from search.cli.main import exit_code
from search.record import StageRow, open_record
from search.report.contents import FinishedTrial
from search.report.listed_trials import ListedTrial
from search.report.live_server import LivePage, make_server
from search.report.parameter_plots import importances, plot_importance, plot_parallel
from search.report.stage_plots import plot_stages
from search.report.trial_data import trial_data
from search.report.trial_plots import best_so_far, pareto
from tests.browser import chromium_path
from tests.search_tests.building import proposal, result
from tests.search_tests.compare.test_compare import filled


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("record") / "record.db")


def write(record: Path, folder: Path) -> Path:
    page = folder / "page.html"
    words = ["report", "sweep", "--record", str(record), "--store", str(folder / "none"), "--out", str(page)]
    assert exit_code([*words, "--figures", str(folder / "figures"), "--json"]) == 0
    return page


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_opens_without_network_or_console_error(record: Path, tmp_path: Path, width: int) -> None:
    page, said, asked = write(record, tmp_path), [], []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium_path())
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri(), wait_until="load")
        answer = tab.locator(".headline li").first.inner_text()
        drawn, tables = tab.locator("figure svg[aria-label]").count(), tab.locator("details table").count()
        wide = tab.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert (said, asked) == ([], [page.as_uri()])
    assert answer.startswith("multimodal is better than none: +2.00 points")
    assert drawn == tables == 8
    assert wide <= width


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(record: Path, tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    page = write(record, tmp_path)
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium_path())
        tab = browser.new_page(color_scheme=scheme)
        tab.goto(page.as_uri(), wait_until="load")
        tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = Axe().run(tab).response["violations"]
        browser.close()
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in {"serious", "critical"}]
    assert serious == []


def test_each_plot_is_a_file_for_paper(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(record, tmp_path)
    files = [Path(name) for name in json.loads(capsys.readouterr().out)["figures"]]
    assert [file.suffix for file in files] == [".svg", ".png"] * 8
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files[1::2])
    assert all("var(" not in file.read_text() for file in files[::2])


def test_a_refusal_is_shown_as_one(tmp_path: Path) -> None:
    with open_record(tmp_path / "record.db") as opened:
        opened.put_sweep("sweep", spec={}, objective="average", planned_trials=1)
    assert "No comparison" in write(tmp_path / "record.db", tmp_path).read_text()


def test_an_unknown_sweep_is_the_users_mistake(record: Path) -> None:
    assert exit_code(["report", "nope", "--record", str(record)]) == 2


def test_the_front_holds_what_nothing_beats() -> None:
    def trial(number: int, seconds: float, score: float) -> FinishedTrial:
        rest = {"family": "text", "languages": {}, "tasks": (), "assignment": {}}
        return FinishedTrial(number=number, score=score, alone_seconds=seconds, **rest)  # type: ignore[arg-type]

    front = pareto([trial(0, 3, 0.5), trial(1, 1, 0.4), trial(2, 2, 0.3), trial(3, 3, 0.6)])
    assert [one.number for one in front] == [1, 3]
    assert best_so_far([1, 3, 2]) == [1, 3, 3]


def test_the_live_page_follows_the_record_and_serves_this_machine_alone(tmp_path: Path) -> None:
    filled(tmp_path / "record.db", num_seeds=3)
    with open_record(tmp_path / "record.db") as opened:
        live = LivePage(record=opened, sweep="sweep", store=str(tmp_path))
        before, page = live.version(), live.page()
        number = opened.propose("sweep", proposal=proposal()).number
        opened.start("sweep", number=number)
        opened.finish("sweep", number=number, result=result(0.9))
        assert live.version() != before
        assert live.page() != page
        with make_server(live, port=0) as server:
            assert server.server_address[0] == "127.0.0.1"
            serving = threading.Thread(target=server.handle_request)
            serving.start()
            foreign = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/", headers={"Host": "evil.test"})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(foreign)  # noqa: S310  our own server
            serving.join()


def test_a_connection_that_sends_nothing_holds_up_no_other(record: Path, tmp_path: Path) -> None:
    with open_record(record, read_only=True) as opened:
        live = LivePage(record=opened, sweep="sweep", store=str(tmp_path))
        live.page()
        with make_server(live, port=0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            place = ("127.0.0.1", server.server_port)
            silent = [socket.create_connection(place) for _ in range(5)]
            half = socket.create_connection(place)
            half.sendall(b"GET / HT")
            with urllib.request.urlopen(f"http://127.0.0.1:{place[1]}/version", timeout=5) as answer:
                assert answer.read().decode() == live.version()
            with urllib.request.urlopen(f"http://127.0.0.1:{place[1]}/", timeout=20) as answer:
                assert answer.read().lower().startswith(b"<!doctype html")
            for connection in (*silent, half):
                connection.close()
            server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["record", "text", "link"])
def test_a_page_replaces_pages_alone(record: Path, tmp_path: Path, kind: str) -> None:
    words = ["report", "sweep", "--record", str(record), "--store", str(tmp_path / "none"), "--out"]
    place = {"record": record, "text": tmp_path / "notes.md", "link": tmp_path / "link.html"}[kind]
    if kind == "text":
        place.write_text("my paper")
    if kind == "link":
        place.symlink_to(record)
    before = place.read_bytes()
    assert exit_code([*words, str(place)]) == 2
    assert place.read_bytes() == before
    page = write(record, tmp_path)
    assert write(record, tmp_path) == page  # pages and figures of an earlier report are replaced
    empty = tmp_path / "empty.html"
    empty.touch()
    assert exit_code([*words, str(empty)]) == 0


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_figure_replaces_figures_alone(
    record: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(record, tmp_path)
    last = max((tmp_path / "figures").glob(f"*.{suffix}"))
    last.write_text("mine")
    others = {file: file.stat().st_mtime_ns for file in last.parent.iterdir()}
    words = ["report", "sweep", "--record", str(record), "--out", str(tmp_path / "page.html"), "--figures"]
    assert exit_code([*words, str(last.parent)]) == 2
    assert f"a file is there that is no {suffix.upper()} image" in capsys.readouterr().err
    assert {file: file.stat().st_mtime_ns for file in last.parent.iterdir()} == others


def test_a_parameters_share_is_what_it_explains_beyond_chance() -> None:
    chance = random.Random(0)  # noqa: S311  (scores are no secrets)
    trials = [
        scored(number, rate=rate, luck=chance.random(), score=0.5 + 0.1 * math.log10(rate / 1e-5))
        for number, rate in enumerate([1e-5, 1e-4, 1e-3] * 10)
    ]

    rate, luck = importances(trials)

    assert (rate.parameter, rate.kind, rate.num_trials) == ("rate", "number", 30)
    assert rate.share == pytest.approx(1.0)
    assert luck.share < 0.2


def test_too_few_trials_tell_nothing_of_parameters() -> None:
    trials = [scored(number, rate=10.0**-number, luck=0.0, score=0.5) for number in range(3)]

    assert (plot_importance(trials), plot_parallel(trials)) == (None, None)


def scored(number: int, *, rate: float, luck: float, score: float) -> FinishedTrial:
    return FinishedTrial(
        number=number,
        family="text",
        score=score,
        languages={},
        tasks=(),
        assignment={"rate": rate, "luck": luck},
        alone_seconds=1.0,
    )


def test_the_script_gets_each_configuration_as_it_is_and_shared_values_once() -> None:
    values = [1, 1.0, True, "1", None, "None", -0.0, 0.0, [1, 2.5], {}, {"b": {"c": "<x>"}}]
    configs = [{"same": {"deep": 7}, "a": value} for value in values] + [{"same": {"deep": 7}}]
    fields = json.loads(trial_data([listed(number, config) for number, config in enumerate(configs)]))["fields"]

    assert [json.dumps(rebuilt(fields, place)) for place in range(len(configs))] == list(map(json.dumps, configs))
    assert [field["values"] for field in fields if field["path"] == ["same", "deep"]] == [[7]]


def rebuilt(fields: list[dict], place: int) -> dict:
    config: dict = {}
    for field in fields:
        index = field["of"][place] if "of" in field else 0
        if index >= 0:
            section = config
            for name in field["path"][:-1]:
                section = section.setdefault(name, {})
            section[field["path"][-1]] = field["values"][index]
    return config


def listed(number: int, config: dict) -> ListedTrial:
    return ListedTrial(
        number=number,
        family="text",
        state="proposed",
        problem="",
        rung=None,
        score=None,
        tasks=(),
        languages={},
        assignment={},
        config=config,
        seconds=0.0,
        alone_seconds=0.0,
        stages=(),
    )


def test_the_stage_tree_has_every_beginning_and_what_was_saved() -> None:
    rows = [
        stage(0, "aa", phase="intermediate", seconds=10.0),
        stage(0, "bb", position=1, seconds=5.0),
        stage(1, "aa", phase="intermediate", seconds=10.0, reused=True),
        stage(1, "cc", position=1, seconds=5.0),
        stage(2, "aa", phase="intermediate", seconds=10.0, reused=True),
        stage(2, "cc", position=1, seconds=5.0, reused=True),
        stage(3, "dd", seconds=5.0),
    ]

    plot = plot_stages(rows, families={0: "text", 1: "text", 2: "text", 3: "none"})

    assert plot is not None
    assert [(row[0], row[5], row[6]) for row in plot.rows] == [("aa", "3", "20.0"), ("- cc", "2", "5.0")]
    assert "Not shown: 2 stages of a single trial" in plot.caption
    assert "took 25 s" in plot.caption
    assert "saved 25 s" in plot.caption


def stage(
    trial: int, key: str, *, position: int = 0, phase: str = "target", seconds: float, reused: bool = False
) -> StageRow:
    return StageRow(
        trial=trial, rung=0, position=position, phase=phase, key=key, steps=1, seconds=seconds, reused=reused
    )
