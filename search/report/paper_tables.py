"""Tables for a paper, as Markdown or LaTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from search.compare.comparison_result import MEAN, Comparison, GroupComparison

TableFormat = Literal["markdown", "latex"]
"""`latex` needs the package booktabs."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """A table: its first column has names, the others numbers or words."""

    name: str
    """Its label: letters, digits and hyphens."""
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[int, int]] = frozenset()
    """Row and column of each cell in bold, from 0."""


def write_table(table: PaperTable, *, form: TableFormat) -> str:
    """Return a table as text."""
    return _latex(table) if form == "latex" else markdown_table(table)


def comparison_table(found: Comparison) -> PaperTable:
    """Return the groups of a comparison with effects, intervals, adjusted p values and verdicts."""
    protocol = found.protocol
    level = f"{100 * (1 - protocol.alpha):.3g} %"
    caption = (
        f"Groups of the sweep {found.sweep} by {protocol.by}: {protocol.metric} dev score in %, effect against "
        f"{protocol.baseline} in points with its {level} interval, and p adjusted by Holm's method. Margin of "
        f"equivalence: {protocol.margin:g} points. Means are {MEAN}."
    )
    return PaperTable(
        name=_label(f"{found.sweep}-{protocol.by}"),
        caption=caption,
        headings=("group", "trials", "seeds", "mean", "effect", "interval", "p", "verdict"),
        rows=tuple(_row(group) for group in found.groups),
    )


def language_table(found: Comparison, *, means: Mapping[str, Mapping[str, float]]) -> PaperTable:
    """Return the groups' means in each language; the highest one of each language is bold.

    Args:
        found: The comparison.
        means: Language -> group -> mean score, 0..1.
    """
    columns = [*means, found.protocol.metric]
    values = {**means, found.protocol.metric: {group.group: group.mean for group in found.groups}}
    names = [group.group for group in found.groups]
    bold = {
        (names.index(name), place)
        for place, column in enumerate(columns, start=1)
        for name, value in values[column].items()
        if value == max(values[column].values())
    }
    caption = (
        f"Dev scores in % of the groups of the sweep {found.sweep} by language. Means are {MEAN}. The highest score of "
        "each column is bold."
    )
    return PaperTable(
        name=_label(f"{found.sweep}-languages"),
        caption=caption,
        headings=("group", *columns),
        rows=tuple((name, *(_percent(values[column].get(name)) for column in columns)) for name in names),
        bold=frozenset(bold),
    )


def _row(group: GroupComparison) -> tuple[str, ...]:
    has_interval = group.low is not None and group.high is not None
    return (
        f"{group.group} (control of {group.control_of})" if group.control_of else group.group,
        str(group.num_trials),
        str(group.num_intermediate_seeds),
        _percent(group.mean),
        "-" if group.effect is None else f"{group.effect:+.2f}",
        f"[{group.low:+.2f}, {group.high:+.2f}]" if has_interval else "-",
        "-" if group.adjusted_p is None else f"{group.adjusted_p:.3f}",
        group.verdict,
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def markdown_table(table: PaperTable) -> str:
    """Return a table as Markdown, with its caption below."""
    rules = ["---:" if _has_numbers(table, column) else "---" for column in range(len(table.headings))]
    lines = [_line(table.headings), _line(rules)]
    for place, row in enumerate(table.rows):
        cells = [_markdown_cell(cell) for cell in row]
        lines.append(_line([f"**{cell}**" if (place, at) in table.bold else cell for at, cell in enumerate(cells)]))
    caption = ["", table.caption] if table.caption else []
    return "\n".join([*lines, *caption, ""])


def _has_numbers(table: PaperTable, column: int) -> bool:
    """Return whether a column is of numbers, which stand at its right."""
    return column > 0 and all(re.fullmatch(r"[-+\d.,\[\] ]+", row[column]) for row in table.rows)


def _markdown_cell(text: str) -> str:
    return re.sub(r"([\\|*_`<])", r"\\\1", text)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex(table: PaperTable) -> str:
    rows = [
        [rf"\textbf{{{latex(cell)}}}" if (place, at) in table.bold else latex(cell) for at, cell in enumerate(row)]
        for place, row in enumerate(table.rows)
    ]
    columns = "".join("r" if _has_numbers(table, column) else "l" for column in range(len(table.headings)))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(latex, table.headings)) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{latex(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """Return text with LaTeX's special characters written out, and a sign as a sign of mathematics."""
    escaped = "".join(_LATEX.get(mark, mark) for mark in text)
    return re.sub(r"(?<![\w$.])([+-])(?=\d)", r"$\1$", escaped)


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
