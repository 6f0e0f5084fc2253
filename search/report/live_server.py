"""Serves the report of a sweep on the loopback interface, and updates it when the record changes."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from search.errors import InputError
from search.record import Record
from search.report.contents import read_contents
from search.report.page import draw_plots, render_page

PAGE_START = "<!doctype html"
"""How a page begins, in any case."""

HOST = "127.0.0.1"
"""The only interface that the server listens on."""


def write_page(page: str, *, path: Path, start: str = PAGE_START) -> Path:
    """Write a page to a path, and return the path.

    Args:
        page: The text.
        path: The file. One that is there is only replaced if it begins like a page.
        start: How the text begins, in any case.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_replaceable(path, start=start.lower().encode())
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        msg = f"the page cannot be written to {str(path)!r}: {error.strerror}; give another file with --out"
        raise InputError(msg) from error
    return path


def _check_replaceable(path: Path, *, start: bytes) -> None:
    """Refuse a file that is there and begins otherwise: `--out` must not replace a record or a paper.

    Raises:
        InputError: It is such a file.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        found = file.read(len(start))
    if found.lower() != start:
        kind = "HTML page" if start.startswith(b"<") else "checklist"
        msg = f"the page is not written to {str(path)!r}: a file is there that is no {kind}; name another by --out"
        raise InputError(msg)


@dataclass(slots=True, kw_only=True)
class LivePage:
    """The page of a sweep, updated after each new event."""

    record: Record
    sweep: str
    """Name of the sweep."""
    store: str
    """Path or URL of the store with the trials' predictions."""
    progress: Path | None = None
    """Folder with a progress file, `<number>.json`, for each trial that runs on this host."""
    _rendered_event: int = -1
    _page: str = ""
    _last_event: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def version(self) -> str:
        """Return the version of the page: the id of the sweep's last event."""
        with self._lock:
            return self._newest()

    def page(self) -> str:
        """Return the page; render it again if there was a new event."""
        with self._lock:
            self._newest()
            if self._last_event != self._rendered_event:
                contents = read_contents(self.record, sweep=self.sweep, store=self.store)
                self._page = render_page(contents, plots=draw_plots(contents), version=str(self._last_event))
                self._rendered_event = self._last_event
            return self._page

    def running(self) -> str:
        """Return as JSON the version, and of each running trial its number, family and newest progress."""
        from search.live_view import read_progress

        found: list[dict[str, object]] = []
        for trial in self.record.trials(self.sweep, states=("running",)):
            progress = read_progress(self.progress / f"{trial.number}.json") if self.progress else None
            shown = progress.model_dump(mode="json") if progress else None
            found.append({"trial": trial.number, "family": trial.family, "progress": shown})
        return json.dumps({"version": self.version(), "trials": found})

    def _newest(self) -> str:
        events = self.record.events(self.sweep, after=self._last_event)
        self._last_event = events[-1].id if events else self._last_event
        return str(self._last_event)


class _Server(http.server.ThreadingHTTPServer):
    """Answers each connection in a thread: one that sends nothing holds up no other."""

    daemon_threads = True


def make_server(live: LivePage, *, port: int) -> http.server.HTTPServer:
    """Return an HTTP server of the page on the loopback interface; `serve_forever` starts it.

    Args:
        live: The page.
        port: Port to listen on; 0: a free port.

    Raises:
        InputError: The port is in use.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers `/`, `/version` and `/running`, and nothing else."""

        timeout = 30

        def do_GET(self) -> None:
            """Answer a request."""
            if not _is_loopback(self.headers.get("Host", "")):
                self.send_error(403, "only requests to localhost are allowed")
            elif self.path == "/":
                self._send(live.page(), kind="text/html")
            elif self.path == "/version":
                self._send(live.version(), kind="text/plain")
            elif self.path == "/running":
                self._send(live.running(), kind="application/json")
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
            """Log nothing."""

    try:
        return _Server((HOST, port), Handler)
    except OSError as error:
        msg = f"port {port} of {HOST} cannot be used: {error.strerror}; give another port with --port, or leave it out"
        raise InputError(msg) from error


def serve(live: LivePage, *, port: int, log: Callable[[str], None]) -> None:
    """Serve a sweep's page until interrupted.

    Args:
        live: The page.
        port: Port to listen on; 0: a free port.
        log: Prints a line of text: the address of the page.

    Raises:
        UnknownSweepError: There is no such sweep.
        InputError: The port is in use.
    """
    live.page()
    with make_server(live, port=port) as server:
        log(f"Serving http://{HOST}:{server.server_port}/ until Ctrl-C")
        server.serve_forever()


def _is_loopback(host: str) -> bool:
    """Return whether a request names the loopback host; another name can be an attack by DNS rebinding."""
    return host.partition(":")[0] in {HOST, "localhost"}
