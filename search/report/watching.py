"""A live page on the loopback interface, made anew when the record changes."""

from __future__ import annotations

import http.server
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from search.errors import InputError
from search.record import Record
from search.report.contents import read_contents
from search.report.page import draw_plots, render_page

HOST = "127.0.0.1"
"""The only interface that is served."""


def write_page(page: str, *, path: Path) -> Path:
    """Return the path after writing a page there.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        msg = f"the page cannot be written to {str(path)!r}: {error.strerror}; name another file by --out"
        raise InputError(msg) from error
    return path


@dataclass(slots=True, kw_only=True)
class LivePage:
    """A sweep's page as of its last event."""

    record: Record
    sweep: str
    store: str
    _seen: int = -1
    _page: str = ""
    _last_event: int = 0

    def version(self) -> str:
        """Return what changes when the record does: the id of the sweep's last event."""
        events = self.record.events(self.sweep, after=self._last_event)
        self._last_event = events[-1].id if events else self._last_event
        return str(self._last_event)

    def page(self) -> str:
        """Return the page, rendered anew where something happened since the last time."""
        self.version()
        if self._last_event != self._seen:
            contents = read_contents(self.record, sweep=self.sweep, store=self.store)
            self._page = render_page(contents, plots=draw_plots(contents), refresh=True)
            self._seen = self._last_event
        return self._page


def make_server(live: LivePage, *, port: int) -> http.server.HTTPServer:
    """Return a server of the page on the loopback interface; it answers once `serve_forever` runs.

    Raises:
        InputError: The port is taken.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers `/` and `/version`, and nothing else."""

        def do_GET(self) -> None:
            """Answer a request."""
            if not _is_loopback(self.headers.get("Host", "")):
                self.send_error(403, "only this machine's own names are served")
            elif self.path == "/":
                self._send(live.page(), kind="text/html")
            elif self.path == "/version":
                self._send(live.version(), kind="text/plain")
            else:
                self.send_error(404)

        def _send(self, words: str, *, kind: str) -> None:
            body = words.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            """Say nothing."""

    try:
        return http.server.HTTPServer((HOST, port), Handler)
    except OSError as error:
        msg = f"port {port} of {HOST} cannot be served: {error.strerror}; name another by --port, or leave it out"
        raise InputError(msg) from error


def serve(record: Record, *, sweep: str, store: str, port: int, say: Callable[[str], None]) -> None:
    """Serve a sweep's page until interrupted.

    Raises:
        UnknownSweepError: There is no such sweep.
        InputError: The port is taken.
    """
    live = LivePage(record=record, sweep=sweep, store=store)
    live.page()
    with make_server(live, port=port) as server:
        say(f"Serving http://{HOST}:{server.server_port}/ until Ctrl-C")
        server.serve_forever()


def _is_loopback(host: str) -> bool:
    """Whether a request names this machine itself: another name is a page elsewhere that rebinds its own to us."""
    return host.partition(":")[0] in {HOST, "localhost"}
