"""Writes plots as files: SVG, and PNG rendered from it."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from search.errors import InputError
from search.report.svg import Plot

PIXELS_PER_UNIT = 4
"""A wide plot has 400 pixels an inch if it is 18 cm wide, like the text of a page; a narrow one if it is 10 cm wide."""

_STARTS = {".svg": b"<svg", ".png": b"\x89PNG\r\n\x1a\n"}
"""How files of these names begin; only such a file is replaced."""


def write_figures(plots: tuple[Plot, ...], *, folder: Path) -> tuple[Path, ...]:
    """Write each plot as SVG and PNG in the colours for paper, and return the files.

    Raises:
        InputError: The folder cannot be created or written, or a file is there that is no figure.
    """
    import resvg_py

    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for plot in plots:
            path = folder / f"{plot.name}.svg"
            _check_replaceable(path)
            _check_replaceable(path.with_suffix(".png"))
        for plot in plots:
            svg = standalone(plot)
            path = folder / f"{plot.name}.svg"
            path.write_text(svg, encoding="utf-8")
            png = path.with_suffix(".png")
            png.write_bytes(
                bytes(resvg_py.svg_to_bytes(svg_string=svg, width=PIXELS_PER_UNIT * plot.width, background="#ffffff"))
            )
            written += [path, png]
    except OSError as error:
        msg = f"figures cannot be written to {str(folder)!r}: {error.strerror}; give another folder with --figures"
        raise InputError(msg) from error
    return tuple(written)


def _check_replaceable(path: Path) -> None:
    """Refuse a file that is there and is no figure.

    Raises:
        InputError: It is such a file.
    """
    start = _STARTS[path.suffix]
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        found = file.read(len(start))
    if found != start:
        msg = (
            f"the figure is not written to {str(path)!r}: a file is there that is no {path.suffix[1:].upper()} image; "
            "name another folder by --figures"
        )
        raise InputError(msg)


def standalone(plot: Plot) -> str:
    """Return a plot's SVG with the page's light style inside, for programs that do not support CSS variables."""
    style = (resources.files("search.report") / "page.css").read_text(encoding="utf-8")
    light = re.match(r":root \{(.*?)\}", style, re.DOTALL)
    assert light is not None, "the style begins with its light colours"  # noqa: S101  our own file
    colours = dict(re.findall(r"(--[a-z]+): (#[0-9a-f]+);", light[1]))
    marks = style[style.index("svg text") : style.index("@media print")]
    marks = re.sub(r"var\((--[a-z]+)\)", lambda found: colours[found[1]], marks)
    marks = marks.replace("svg ", "").replace("13px system-ui", "13px Helvetica, Arial")
    return plot.svg.replace(">", f"><style>{marks}</style>", 1)
