"""`xstilts report`: a sweep's answer as one HTML page, its plots as files, or live while it runs."""

from __future__ import annotations

from pathlib import Path

import click

from search.cli.options import json_option, record_option, store_option


@click.command
@click.argument("name")
@click.option("--out", metavar="FILE", help="Page to write.  [default: NAME.html]")
@click.option("--figures", metavar="DIR", help="Write each plot as SVG and PNG too.")
@click.option("--watch", is_flag=True, help="Serve the page on 127.0.0.1, anew when the record changes.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Of --watch.  [default: a free one]"
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
    """Write what the sweep NAME found as one HTML page.

    The page needs no network: the answer with its uncertainty, families, tasks
    by languages, history, cost, the best configurations, protocol, data and
    versions. Every plot has its numbers in a table below it.

    \b
    Example:
      xstilts report demo --out demo.html --figures figures
    """  # noqa: D301  (click reads the control character)
    from search.cli.output import print_json, print_next
    from search.home import find_home
    from search.published import record_beside_store
    from search.record import open_record
    from search.report import draw_plots, read_contents, render_page, write_figures
    from search.report.watching import serve, write_page

    record, store = choices["record"], choices["store"]
    home = find_home(record=str(record) if record else None, store=str(store) if store else None)
    place = record_beside_store(
        home, record=str(record) if record else None, store=str(store) if store else None, sweep=name
    )
    with open_record(place, read_only=True) as opened:
        if watch:
            serve(opened, sweep=name, store=home.store, port=port, say=click.echo)
            return
        contents = read_contents(opened, sweep=name, store=home.store)
    plots = draw_plots(contents)
    page = write_page(render_page(contents, plots=plots), path=Path(out or f"{name}.html"))
    files = write_figures(plots, folder=Path(figures)) if figures else ()
    if choices["as_json"]:
        print_json({"page": str(page), "num_bytes": page.stat().st_size, "figures": [str(path) for path in files]})
        return
    click.echo(f"Wrote {page}: {len(plots)} plots, {page.stat().st_size / 1000:.0f} kB")
    if files:
        click.echo(f"Wrote {len(files)} figures to {figures}")
    print_next(f"xstilts compare {name}", what="the same comparison on the terminal")
