"""Plots as files: SVG, and PNG drawn from it."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from search.errors import InputError
from search.report.drawing import Plot

PIXELS_PER_UNIT = 4
"""A wide plot has 400 pixels an inch at 18 cm, the width of a page's text, a narrow one at 10 cm, about a column's."""


def write_figures(plots: tuple[Plot, ...], *, folder: Path) -> tuple[Path, ...]:
    """Return the files after writing each plot as SVG and PNG, coloured for paper.

    Raises:
        InputError: The folder cannot be made or written.
    """
    import resvg_py

    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
        msg = f"figures cannot be written to {str(folder)!r}: {error.strerror}; name another folder by --figures"
        raise InputError(msg) from error
    return tuple(written)


def standalone(plot: Plot) -> str:
    """Return a plot's SVG with the page's light style inside, for programs that know no variables of CSS."""
    style = (resources.files("search.report") / "page.css").read_text(encoding="utf-8")
    light = re.match(r":root \{(.*?)\}", style, re.DOTALL)
    assert light is not None, "the style begins with its light colours"  # noqa: S101  our own file
    colours = dict(re.findall(r"(--[a-z]+): (#[0-9a-f]+);", light[1]))
    marks = style[style.index("svg text") : style.index("@media print")]
    marks = re.sub(r"var\((--[a-z]+)\)", lambda found: colours[found[1]], marks)
    marks = marks.replace("svg ", "").replace("13px system-ui", "13px Helvetica, Arial")
    return plot.svg.replace(">", f"><style>{marks}</style>", 1)
