"""`xstilts report`: writes the results of a sweep as one HTML page, or serves the page while the sweep runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, record_option, store_option

if TYPE_CHECKING:
    from search.record import Record
    from search.report.contents import Contents


@click.command
@click.argument("name")
@click.option("--out", metavar="FILE", help="File to write.  [default: NAME.html or NAME-checklist.md]")
@click.option("--figures", metavar="DIR", help="Also write each plot as SVG and PNG to this folder.")
@click.option("--checklist", is_flag=True, help="Write instead what a paper must report, as Markdown.")
@click.option("--watch", is_flag=True, help="Serve the page on 127.0.0.1, and update it when the record changes.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port of --watch.  [default: a free port]"
)
@record_option
@store_option
@json_option
def report(
    name: str,
    out: str | None,
    figures: str | None,
    watch: bool,  # noqa: FBT001  click passes it by name
    port: int,
    **choices: str | bool | None,
) -> None:
    """Write the results of the sweep NAME as one HTML page.

    The page shows the effects of the families with their uncertainty, scores of
    tasks by language, the history of the search, cost, the best configurations,
    the protocol, the data, and versions. A table below each plot has its
    numbers. The page loads nothing from the network.

    --checklist writes ranges, trials, compute, seeds, commits, the selection
    protocol, the expected best at n trials, and the probability that a fresh run
    beats the baseline; what is missing comes with the command that adds it.

    \b
    Example:
      xstilts report demo --out demo.html --figures figures
    """  # noqa: D301  (click reads the control character)
    from search.cli.output import print_json, print_next
    from search.home import find_home
    from search.published_record import find_record_or_copy
    from search.record import open_record
    from search.report import draw_plots, read_contents, render_page, write_figures
    from search.report.live_server import LivePage, serve, write_page

    record, store = choices["record"], choices["store"]
    home = find_home(record=str(record) if record else None, store=str(store) if store else None)
    place = find_record_or_copy(
        home, record=str(record) if record else None, store=str(store) if store else None, sweep=name
    )
    with open_record(place, read_only=True) as opened:
        if watch:
            live = LivePage(record=opened, sweep=name, store=home.store, progress=home.progress_folder(name))
            serve(live, port=port, log=click.echo)
            return
        contents = read_contents(opened, sweep=name, store=home.store)
        if choices["checklist"]:
            path = Path(out or f"{name}-checklist.md")
            _write_checklist(opened, contents, path=path, as_json=bool(choices["as_json"]))
            return
    plots = draw_plots(contents)
    page = write_page(render_page(contents, plots=plots), path=Path(out or f"{name}.html"))
    files = write_figures(plots, folder=Path(figures)) if figures else ()
    if choices["as_json"]:
        print_json({"page": str(page), "num_bytes": page.stat().st_size, "figures": [str(path) for path in files]})
        return
    click.echo(f"Wrote {page}: {len(plots)} plots, {page.stat().st_size / 1000:.0f} kB")
    if files:
        click.echo(f"Wrote {len(files)} figures to {figures}")
    print_next(f"xstilts compare {name}", what="the same comparison in the terminal")


def _write_checklist(record: Record, contents: Contents, *, path: Path, as_json: bool) -> None:
    from search.cli.output import print_json, print_next
    from search.report.checklist import START, write_checklist
    from search.report.live_server import write_page

    text = write_checklist(record, contents)
    file, num_missing = write_page(text, path=path, start=START), text.count("\n- [ ] ")
    if as_json:
        print_json({"checklist": str(file), "missing": num_missing})
        return
    click.echo(f"Wrote {file}: {num_missing} parts are missing")
    print_next(f"xstilts compare {contents.sweep.name} --table latex", what="its table for a paper")
