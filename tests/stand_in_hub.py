"""A hub on the loopback interface that takes uploads and gives them back: no test may ask the real one.

It answers what `huggingface_hub` asks when it creates a model repository, uploads a folder (small files in the commit,
large ones by git-lfs before it) and downloads it. Its answers have the real hub's shape. A token without `write` in
it is refused.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


@dataclass(slots=True)
class StandInHub:
    """What a stand-in holds."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Name -> content of the files of the last commit."""
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """SHA-256 -> content of large files."""
    cards: list[str] = field(default_factory=list[str])
    """Cards that the client asked to have checked."""
    created: dict[str, object] = field(default_factory=dict[str, object])
    """What was asked to be created."""
    refused: list[str] = field(default_factory=list[str])


@contextmanager
def serving() -> Iterator[StandInHub]:
    """Serve an empty hub while the block runs."""
    hub = StandInHub()

    class Handler(_Handler):
        held = hub

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: StandInHub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if "write" not in self.headers.get("Authorization", ""):
            self.held.refused.append(path)
            self._send(403, json.dumps({"error": "you have no right to write here"}).encode())
        elif path == "/api/repos/create":
            self.held.created = json.loads(body)
            self._json({"url": f"{self.held.url}/{self.held.created['organization']}/{self.held.created['name']}"})
        elif path == "/api/validate-yaml":
            self.held.cards.append(json.loads(body)["content"])
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._json({"files": [_upload_mode(file) for file in json.loads(body)["files"]]})
        elif path.endswith("/info/lfs/objects/batch"):
            self._json({"transfer": "basic", "objects": [self._upload(one) for one in json.loads(body)["objects"]]})
        elif "/commit/" in path:
            self._commit([json.loads(line) for line in body.splitlines() if line])
        else:
            self._send(404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.held.objects[hashlib.sha256(body).hexdigest()] = body
        self._send(200)

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path.partition("/resolve/")[2].partition("/")[2])
        if urlsplit(self.path).path.startswith("/api/models/") and "/tree/" not in self.path:
            siblings = [{"rfilename": name} for name in self.held.files]
            self._json({"id": "owner/model", "sha": COMMIT, "siblings": siblings})
        elif name in self.held.files:
            content = self.held.files[name]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self._send(200, content, {"ETag": etag, "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"})
        else:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})

    do_HEAD = do_GET  # noqa: N815  (http.server's names)

    def _upload(self, asked: dict[str, object]) -> dict[str, object]:
        return asked | {"actions": {"upload": {"href": f"{self.held.url}/objects/{asked['oid']}"}}}

    def _commit(self, lines: list[dict[str, dict[str, str]]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.held.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.held.files[value["path"]] = self.held.objects[value["oid"]]
        url = f"{self.held.url}/owner/model/commit/{COMMIT}"
        self._json({"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})

    def _json(self, answer: dict[str, object]) -> None:
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _upload_mode(file: dict[str, object]) -> dict[str, object]:
    mode = "lfs" if str(file["path"]).endswith(".safetensors") else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}
