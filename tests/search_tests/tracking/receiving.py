"""A web service on the loopback interface that receives messages, refuses them, or keeps a sender waiting."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Service:
    """What the service received, and how it answers."""

    port: int = 0
    mode: str = "takes"
    """`takes`, `refuses` or `hangs`."""
    received: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def ids(self) -> list[int]:
        """Return the ids of the record's events that it received, in order."""
        return [message["id"] for message in self.received if message["kind"] != "loss"]


@contextmanager
def running_service() -> Iterator[Service]:
    service = Service()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if service.mode == "hangs":
                service.released.wait(60)
                return
            if service.mode == "takes":
                service.headers.append(dict(self.headers))
                service.received.append(json.loads(body))
            self.send_response(200 if service.mode == "takes" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield service
        service.released.set()
        server.shutdown()
