"""What the page of a report answers in a browser: plots, the table of trials, and the page that follows a sweep."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from search.record import Record, open_record
from search.report import draw_plots, read_contents, render_page
from search.report.live_server import LivePage, make_server
from tests.browser import chromium_path
from tests.search_tests.building import proposal, result
from tests.search_tests.compare.test_compare import filled
from trainables.monitoring.progress import Progress, ProgressFile

NUM_ROWS = 2000
MAX_MILLISECONDS = 100

TIMED = """([selector, value]) => Math.min(...Array.from({length: 5}, () => {
  const from = performance.now();
  const control = document.querySelector(selector);
  if (value === null) control.click();
  else { control.value = value; control.dispatchEvent(new Event("change", {bubbles: true})); }
  document.getElementById("trial-table").getBoundingClientRect();
  return performance.now() - from;
}))"""
"""Milliseconds of the fastest of five uses of a control, with the layout that it causes."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as browsers:
        opened = browsers.chromium.launch(executable_path=chromium_path())
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    with open_record(filled(tmp_path_factory.mktemp("record") / "record.db")) as opened:
        number = opened.propose("sweep", proposal=proposal(task="anli")).number
        opened.start("sweep", number=number)
        opened.fail("sweep", number=number, error="<b>the disk</b> is full")
        yield opened


@pytest.fixture(scope="module")
def place(record: Record, tmp_path_factory: pytest.TempPathFactory) -> Path:
    contents = read_contents(record, sweep="sweep")
    page = tmp_path_factory.mktemp("page") / "page.html"
    page.write_text(render_page(contents, plots=draw_plots(contents)))
    return page


@pytest.fixture
def tab(browser: Browser, place: Path) -> Iterator[Page]:
    """The page, opened; a message on its console or a request fails the test."""
    heard: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("request", lambda request: heard.append(request.url))
    opened.goto(place.as_uri(), wait_until="load")
    yield opened
    opened.close()
    assert heard == [place.as_uri()]


def tab_to(tab: Page, selector: str) -> None:
    """Press the Tab key until an element has the focus."""
    for _ in range(60):
        tab.keyboard.press("Tab")
        if tab.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"the Tab key does not lead to {selector}")


def test_a_trial_is_found_by_keyboard_alone_from_the_headline_to_its_configuration(tab: Page, record: Record) -> None:
    tab_to(tab, ".headline a[href^='#trial-']")
    number = int(tab.evaluate("document.activeElement.textContent"))
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    tab_to(tab, ".detail summary")
    tab.keyboard.press("Enter")
    configuration = tab.locator(f"#config-{number}")
    expect(configuration).to_be_visible()
    assert yaml.safe_load(configuration.inner_text()) == record.trial("sweep", number=number).config


def test_a_plot_names_its_trials_on_hover_tap_and_focus(tab: Page) -> None:
    tip, plot = tab.locator("#tip"), tab.locator("#frame-history svg")
    plot.scroll_into_view_if_needed()
    x, y = tab.evaluate(
        """() => { const plot = document.querySelector("#frame-history svg"), box = plot.getBoundingClientRect();
        const dots = plot.querySelector("path.f-multimodal[data-trials]").getAttribute("d");
        const [x, y] = dots.match(/[\\d.]+/g).map(Number);
        return [box.left + x * box.width / 400, box.top + y * box.width / 400]; }"""
    )
    tab.mouse.move(x, y)
    expect(tip).to_contain_text("multimodal, nlvr2")
    tab.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    tab.mouse.click(x, y)
    named = tip.get_by_role("button")
    number = named.inner_text().removeprefix("Open trial ")
    named.click()
    assert tab.evaluate("document.activeElement.dataset.opens") == number
    tab.locator("#frame-history").focus()
    tab.keyboard.press("Home")
    expect(tip).to_contain_text("Trial 0:")
    tab.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("Trial 1:")
    tab.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_bars_cells_and_lines_say_what_they_are(tab: Page) -> None:
    shown = {}
    for name in ("families", "heatmap", "importance", "parallel", "stages", "cost"):
        frame = tab.locator(f"#frame-{name}")
        if frame.count():
            frame.focus()
            tab.keyboard.press("Home")
            shown[name] = tab.locator("#tip").inner_text()
    assert shown["families"].startswith("multimodal: better, effect +2.00 points")
    assert shown["heatmap"].startswith("none, de: mean 45.0 %")
    assert shown["stages"].startswith("intermediate ")
    assert shown["cost"].startswith("Trial ")
    tab.locator("#frame-families").focus()
    tab.keyboard.press("Home")
    tab.keyboard.press("Enter")
    expect(tab.locator("#filter-family")).to_have_value("multimodal")


def test_the_table_sorts_filters_and_shows_why_a_trial_failed(tab: Page, record: Record) -> None:
    rows = tab.locator("#trial-table tbody tr")
    tab.get_by_role("button", name="average %").click()
    expect(tab.locator("#trial-table th").nth(2)).to_have_attribute("aria-sort", "descending")
    best = max(record.trials("sweep"), key=lambda trial: (trial.score or 0, -trial.number))
    expect(rows.first).to_have_attribute("id", f"trial-{best.number}")
    tab.select_option("#filter-state", "failed")
    expect(tab.locator("#trial-count")).to_have_text("Trials 1 to 1 of 1, 73 in all")
    rows.first.get_by_role("button").click()
    expect(tab.locator(".problem")).to_have_text("<b>the disk</b> is full")
    tab.get_by_role("button", name="All trials").click()
    tab.select_option("#filter-task", "nlvr2@shuffled")
    expect(tab.locator("#trial-count")).to_have_text("Trials 1 to 18 of 18, 73 in all")
    tab.evaluate("report.open(0)")  # of another family: the filters are taken off
    expect(tab.locator(".detail h3").first).to_contain_text("Trial 0, none, finished")
    assert tab.locator("#filter-task").input_value() == ""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_an_opened_trial(browser: Browser, place: Path, width: int, scheme: str) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    opened.goto(place.as_uri())
    opened.evaluate("report.open(20), document.querySelector('.detail details').open = true")
    opened.locator("#frame-cost").focus()
    opened.keyboard.press("Home")
    found = Axe().run(opened).response["violations"]
    wide = opened.evaluate("document.documentElement.scrollWidth")
    opened.close()
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert wide <= width


OUTSIDE = """width => [...document.querySelectorAll("body *")]
  .filter(one => getComputedStyle(one).visibility === "visible" && !one.closest(".skip, .heard"))
  .filter(one => one.getBoundingClientRect().right > width + 1 || one.getBoundingClientRect().left < -1)
  .map(one => one.outerHTML.slice(0, 80))"""
"""Elements that paper of a width would cut off."""


@pytest.mark.parametrize("width", [390, 718, 1280])
def test_paper_cuts_nothing_off_and_breaks_no_number(browser: Browser, place: Path, width: int) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 900})
    opened.goto(place.as_uri())
    opened.evaluate("report.open(20)")
    opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    opened.emulate_media(media="print")
    outside = opened.evaluate(OUTSIDE, width)
    heights = opened.evaluate(
        "[...document.querySelectorAll('#trial-table > tbody > tr > td:nth-child(3)')]"
        ".map(one => one.getBoundingClientRect().height)"
    )
    opened.close()
    assert outside == []
    assert max(heights) < 40, "a score is on one line"


def test_a_phone_scrolls_wide_plots_and_tables_and_never_the_page(browser: Browser, place: Path) -> None:
    opened = browser.new_page(viewport={"width": 390, "height": 900})
    opened.goto(place.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    wide = opened.evaluate("document.documentElement.scrollWidth")
    cut = opened.evaluate(
        "[...document.querySelectorAll('body *')].filter(one => !one.closest('.wide, pre, .skip, .heard'))"
        ".filter(one => one.getBoundingClientRect().right > 391).map(one => one.outerHTML.slice(0, 80))"
    )
    opened.close()
    assert (wide, cut) == (390, [])


def test_plots_fill_the_width(tab: Page) -> None:
    right = tab.evaluate(
        "Math.max(...[...document.querySelectorAll('figure svg')].map(one => one.getBoundingClientRect().right))"
    )
    assert right > 1240


@pytest.mark.slow
def test_2000_rows_are_sorted_and_filtered_at_once(browser: Browser, record: Record, tmp_path: Path) -> None:
    contents = read_contents(record, sweep="sweep")
    rows = [
        dataclasses.replace(contents.listed[place % 72], number=place, seconds=float(place * 7919 % NUM_ROWS))
        for place in range(NUM_ROWS)
    ]
    page = tmp_path / "page.html"
    page.write_text(render_page(dataclasses.replace(contents, listed=tuple(rows)), plots=draw_plots(contents)))
    tab = browser.new_page()
    tab.goto(page.as_uri())
    uses = (["[data-sorts='7']", None], ["[data-sorts='2']", None], ["#filter-family", "text"], ["#filter-family", ""])
    milliseconds = [tab.evaluate(TIMED, list(use)) for use in uses]
    tab.evaluate("report.open(1999)")
    shown = tab.locator("#trial-1999 button").get_attribute("aria-expanded")
    tab.close()
    assert max(milliseconds) < MAX_MILLISECONDS, milliseconds
    assert shown == "true"
    assert page.stat().st_size < 2e6


@pytest.fixture
def scriptless(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(java_script_enabled=False)
    yield context
    context.close()


def test_without_a_script_the_table_has_all_trials_and_bars_have_titles(
    scriptless: BrowserContext, place: Path
) -> None:
    tab = scriptless.new_page()
    tab.goto(place.as_uri())
    assert tab.locator("#trial-table tbody tr").count() == 73
    assert not tab.locator("#trial-controls").is_visible()
    assert tab.locator("noscript").inner_text().startswith("Without JavaScript")
    assert tab.locator("#frame-families rect.area title").first.text_content() is not None


@pytest.mark.slow
def test_a_watched_page_shows_running_trials_and_changes_in_place(browser: Browser, tmp_path: Path) -> None:
    filled(tmp_path / "record.db", num_seeds=3)
    with open_record(tmp_path / "record.db") as opened:
        live = LivePage(record=opened, sweep="sweep", store=str(tmp_path), progress=tmp_path / "progress")
        with make_server(live, port=0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            tab = browser.new_page()
            tab.clock.install()
            tab.goto(f"http://127.0.0.1:{server.server_port}/")
            tab.evaluate("report.open(7), window.isThisPage = true")
            tab.select_option("#filter-family", "none")
            number = opened.propose("sweep", proposal=proposal()).number
            opened.start("sweep", number=number)
            report = ProgressFile(tmp_path / "progress" / f"{number}.json")
            for step, loss in ((10, 1.25), (20, 0.75)):
                report(Progress(phase="intermediate", step=step, num_steps=100, loss=loss, seconds_left=9.0))
                tab.clock.run_for(2100)
                expect(tab.locator("#running-table")).to_contain_text(f"{step}/100")
            expect(tab.locator("#running-table")).to_contain_text("0.750")
            losses = tab.locator("#running-table svg").get_attribute("aria-label") or ""
            opened.finish("sweep", number=number, result=result(0.9))
            tab.clock.run_for(2100)
            expect(tab.locator("header")).to_contain_text("37 of 1 trial done")
            expect(tab.locator("#none-running")).to_be_visible()
            kept = tab.evaluate("[window.isThisPage, report.state.family, report.state.open.has(7)]")
            expect(tab.locator("#filter-family")).to_have_value("none")
            tab.close()
            server.shutdown()
    assert losses.endswith("1.250, 0.750")
    assert kept == [True, "none", True]
