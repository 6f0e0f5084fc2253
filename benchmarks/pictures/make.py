"""Makes the pictures of README.md from a real run of the demo: a terminal (SVG), and the page of the report (PNG).

    python benchmarks/pictures/make.py [--home DIR]

The demo is searched in a new folder, which takes a few minutes on two cores. With `--home`, a run that is there is
used: the demo then only prints its results. The pictures lie in docs/pictures, and load nothing from the network.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))  # for the tests' browser

from tests.browser import chromium_path  # noqa: E402

PICTURES = REPOSITORY / "docs/pictures"
COMMANDS = ((("search", "demo"), 29), (("compare", "demo"), 17))
"""Words of a command, and the lines of its results that are shown, from the first one."""
SCREEN = {"width": 1280, "height": 830}


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="XSTILTS_HOME with a finished demo")
    chosen = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = (chosen.home or Path(folder) / "home").absolute()
        outputs = [(words, run(*words, home=home, folder=Path(folder)).splitlines()[:num]) for words, num in COMMANDS]
        (PICTURES / "terminal.svg").write_text(terminal(outputs), encoding="utf-8")
        run("report", "demo", home=home, folder=Path(folder))
        (PICTURES / "report.png").write_bytes(screenshot(Path(folder) / "demo.html"))
    for picture in sorted(PICTURES.iterdir()):
        print(f"{picture.relative_to(REPOSITORY)}: {picture.stat().st_size / 1000:.0f} kB")


def run(*words: str, home: Path, folder: Path) -> str:
    """Return what a command of xstilts prints as its result."""
    environment = {**os.environ, "XSTILTS_HOME": str(home), "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1"}
    command = [sys.executable, "-c", "from search.cli import main; main()", *words]
    ended = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout


def terminal(outputs: list[tuple[tuple[str, ...], list[str]]]) -> str:
    """Return a picture of a terminal with commands and lines that they print."""
    console = Console(record=True, width=84, file=io.StringIO(), force_terminal=True)
    for words, lines in outputs:
        console.print(Text(f"$ xstilts {' '.join(words)}", style="bold green"))
        for line in lines:
            console.print(Text(line))
        console.print()
    svg = console.export_svg(title="xstilts", theme=MONOKAI)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # fonts from the network
    return svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")


def screenshot(page: Path) -> bytes:
    """Return a PNG of the page's plots, one of which names a trial, in few colours."""
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        tab = browser.new_page(viewport=SCREEN, color_scheme="light")
        tab.goto(page.as_uri(), wait_until="load")
        tab.evaluate("document.querySelector('.plots').scrollIntoView()")
        tab.locator("#frame-history").focus()
        tab.keyboard.press("End")
        shot = tab.screenshot()
        browser.close()
    small = (
        Image.open(io.BytesIO(shot))
        .convert("RGB")
        .quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    )
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
