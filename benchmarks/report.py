"""Measures the report of a long sweep: seconds to write it, its size, and seconds to open it at two widths.

    python benchmarks/report.py [--trials N] [--repeats N] [--save FILE]

The sweep is made up: N finished trials over families, tasks, five rungs and 15 languages. Headless Chromium opens the
page in a new tab each time, at the width of a phone and of a desktop screen. Printed are the median and the slowest
time until the page is drawn, and the page's network requests and console messages: there must be none.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from machine import heading, save
from records.filling import fill
from records.made_trials import NAME, make_trials

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))  # for the tests' browser

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from search.record import open_record  # noqa: E402
from search.report.contents import read_contents  # noqa: E402
from search.report.page import draw_plots, render_page  # noqa: E402
from tests.browser import chromium_path  # noqa: E402

WIDTHS = (390, 1280)
MAX_MEGABYTES, MAX_SECONDS = 5.0, 3.0


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args()
    lines = [*heading(["playwright"]), ""]
    with tempfile.TemporaryDirectory() as folder:
        page, seconds = write(Path(folder), num_trials=chosen.trials)
        size = page.stat().st_size / 1e6
        lines.append(f"{chosen.trials} trials: written in {seconds:.1f} s; {size:.2f} MB (at most {MAX_MEGABYTES:g})")
        with sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
            lines += [opened(browser, page, width=width, repeats=chosen.repeats) for width in WIDTHS]
            browser.close()
    text = "\n".join(lines)
    print(text)
    if chosen.save:
        save(chosen.save, title="The report of a long sweep", text=text)


def write(folder: Path, *, num_trials: int) -> tuple[Path, float]:
    """Return the page of a made-up sweep, and the seconds that it took from the record."""
    fill(folder / "record.db", make_trials(num_trials))
    began = time.perf_counter()
    with open_record(folder / "record.db", read_only=True) as record:
        contents = read_contents(record, sweep=NAME)
    text = render_page(contents, plots=draw_plots(contents))
    page = folder / "report.html"
    page.write_text(text, encoding="utf-8")
    return page, time.perf_counter() - began


def opened(browser: Browser, page: Path, *, width: int, repeats: int) -> str:
    """Return a line about opening a page at a width."""
    times: list[float] = []
    messages: list[str] = []
    for _ in range(repeats):
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("console", lambda message: messages.append(message.text))
        tab.on("pageerror", lambda error: messages.append(str(error)))
        tab.on("request", lambda request: None if request.url == page.as_uri() else messages.append(request.url))
        began = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="load")
        tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        times.append(time.perf_counter() - began)
        tab.close()
    asked = [words for words in messages if not words.startswith("data:")]
    return (
        f"{width:5d} px: drawn after {statistics.median(times):.2f} s, slowest {max(times):.2f} s "
        f"(at most {MAX_SECONDS:g}); console and network: {', '.join(asked) or 'nothing'}"
    )


if __name__ == "__main__":
    main()
