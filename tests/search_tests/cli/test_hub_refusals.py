"""A hub that refuses or does not answer is one message and exit code 2.

The hub is a server of ours that gives the hub's own status and headers: no test may ask the real one.
"""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ANSWERS = {
    "missing": (404, "RepoNotFound"),
    "gated": (403, "GatedRepo"),
    "no-revision": (404, "RevisionNotFound"),
    "hangs-up": (0, ""),
}
"""First part of a path -> status and `X-Error-Code`; status 0 closes the connection."""

TRIAL = """
encoder: {name: owner/encoder, revision: abc}
target: {mixture: {miniature_nli: 1.0}, steps: 1, num_dev_items: 0}
evaluation: {task: miniature_nli, num_items: 2}
engine: {device: cpu}
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """Refuses whatever is asked, in the way that the path's first part names."""

    def do_GET(self) -> None:
        status, code = ANSWERS[self.path.split("/")[1]]
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_GET  # noqa: N815  (http.server's names)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """The address of the server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def refused(arguments: list[str], *, endpoint: str, place: Path) -> str:
    """Return what a command says that a process of its own refuses: the hub's address is read at import."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XSTILTS_"))}
    environment = kept | {"HF_ENDPOINT": endpoint, "HF_HOME": str(place / "cache"), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", f"from search.cli import main; main({arguments!r})"]
    root = str(Path(__file__).parents[3])
    ended = subprocess.run(
        command, cwd=place, env=environment | {"PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, "Traceback" in ended.stderr) == (2, "", False), ended.stderr
    return ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "rule", "next_step"),
    [
        ("missing", "does not have this repository, or it is private", "correct the name, set HF_TOKEN"),
        ("gated", "accept its licence agreement", "accept it on https://huggingface.co/owner/encoder"),
        ("no-revision", "does not have this revision", "choose a commit, branch or tag"),
        ("hangs-up", "does not answer correctly", "try again"),
    ],
)
def test_an_encoder_that_the_hub_does_not_give_is_refused(
    tmp_path: Path, hub: str, answer: str, rule: str, next_step: str
) -> None:
    (tmp_path / "trial.yaml").write_text(TRIAL)

    message = refused(["run", "trial.yaml"], endpoint=f"{hub}/{answer}", place=tmp_path)

    assert "cannot download model 'owner/encoder' at revision 'abc'" in message
    assert rule in message
    assert next_step in message
    assert "or set XSTILTS_MIRROR to a folder that holds models/owner/encoder" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("missing", "does not have this repository"),
        ("gated", "accept its licence agreement"),
        ("hangs-up", "does not answer correctly"),
    ],
)
def test_rows_that_the_hub_does_not_give_are_refused(tmp_path: Path, hub: str, answer: str, rule: str) -> None:
    command = ["tasks", "check", "boolq", "--encoder", "miniature"]

    message = refused(command, endpoint=f"{hub}/{answer}", place=tmp_path)

    assert "cannot download dataset 'google/boolq' at revision '35b264d" in message
    assert rule in message
    assert "or set XSTILTS_MIRROR to a folder that holds datasets/google/boolq" in message
