"""Measures the report of a long sweep: seconds to write it, its size, and seconds to open it at two widths.

    python benchmarks/report.py [--trials N] [--repeats N] [--save FILE]

The sweep is made up: N finished trials over families, tasks, five rungs and 15 languages. The page is written from its
record several times, the first time with the imports of what it needs; printed are wall time and CPU time. Headless
Chromium opens the page in a new tab each time, at the width of a phone and of a desktop screen. Printed are the median
and the slowest time until the page is drawn, and the page's network requests and console messages: there must be none.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from itertools import pairwise
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
        page = Path(folder) / "report.html"
        fill(page.with_name("record.db"), make_trials(chosen.trials))
        lines += [f"{chosen.trials} trials", *written(page, repeats=chosen.repeats)]
        with sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
            lines += [opened(browser, page, width=width, repeats=chosen.repeats) for width in WIDTHS]
            browser.close()
    text = "\n".join(lines)
    print(text)
    if chosen.save:
        save(chosen.save, title="The report of a long sweep", text=text)


def written(page: Path, *, repeats: int) -> list[str]:
    """Write the page from the record beside it, and return lines about it: wall time, CPU time, and its parts."""
    walls: list[float] = []
    parts: list[tuple[float, ...]] = []
    for _ in range(repeats):
        began, moments = time.perf_counter(), [time.process_time()]
        with open_record(page.with_name("record.db"), read_only=True) as record:
            contents = read_contents(record, sweep=NAME)
        moments.append(time.process_time())
        drawn = draw_plots(contents)
        moments.append(time.process_time())
        page.write_text(render_page(contents, plots=drawn), encoding="utf-8")
        moments.append(time.process_time())
        walls.append(time.perf_counter() - began)
        parts.append(tuple(after - before for before, after in pairwise(moments)))
    record_s, plots_s, text_s = (statistics.median(part) for part in zip(*parts, strict=True))
    most = max(sum(of_run) for of_run in parts)
    size = f"{page.stat().st_size / 1e6:.2f} MB (at most {MAX_MEGABYTES:g})"
    return [
        f"written in {statistics.median(walls):.1f} s, slowest {max(walls):.1f} s (at most {MAX_SECONDS:g}); {size}",
        f"CPU: record {record_s:.2f} s, plots {plots_s:.2f} s, text {text_s:.2f} s; {most:.2f} s at most in one run",
    ]


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
