"""The door to Ray: what is wrong around it, and what Ray itself raises, is one line with the variable to change."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from search.cli.main import exit_code
from search.driver.ray_door import check_ray, summarise_ray_message
from search.errors import RayUnusableError
from search.ray_environment import check_ray_environment, given_address, parse_address
from tests.contracts.smallest import SPEC
from tests.end_to_end.drivers import XSTILTS
from trainables.ranks.local_group import LOOPBACK, free_port


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small sweep, in an environment of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "RAY_TMPDIR", "TMPDIR", "XSTILTS_HOME", "XSTILTS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    return tmp_path / "spec.yaml"


@pytest.mark.parametrize(
    ("given", "saying"),
    [
        ("nonsense", "is not an address; give host:port"),
        ("127.0.0.1", "is not an address"),
        ("127.0.0.1:0", "is not an address"),
        ("127.0.0.1:99999", "is not an address"),
        ("127.0.0.1:port", "is not an address"),
        ("a host:6379", "is not an address"),
        ("a:1,b:2", "is not an address"),
        ("::1:6379", "is not an address"),
        (":6379", "is not an address"),
        ("ray://127.0.0.1:10001", "Ray Client"),
        ("http://127.0.0.1:8265", "a dashboard"),
        ("redis://127.0.0.1:6379", "is a URL"),
    ],
)
def test_an_address_of_ray_that_cannot_be_is_refused(given: str, saying: str) -> None:
    with pytest.raises(RayUnusableError, match=saying) as caught:
        check_ray_environment({"RAY_ADDRESS": given})

    assert (caught.value.variable, caught.value.value) == ("RAY_ADDRESS", given)
    assert "unset RAY_ADDRESS" in str(caught.value)


@pytest.mark.parametrize("given", ["127.0.0.1:6379", "head:6379", "head.example.org:1", "[::1]:6379"])
def test_an_address_of_ray_that_can_be_is_taken(given: str) -> None:
    address = parse_address(given)

    assert f"{address.host}:{address.port}" == given.replace("[", "").replace("]", "")


@pytest.mark.parametrize("given", ["", " ", "local"])
def test_ray_is_started_here_where_no_cluster_is_named(given: str) -> None:
    assert given_address({"RAY_ADDRESS": given}) is None
    assert given_address({}) is None


@pytest.mark.parametrize(
    ("variables", "variable", "saying"),
    [
        ({"TMPDIR": "relative"}, "TMPDIR", "the path is not absolute"),
        ({"RAY_TMPDIR": "relative"}, "RAY_TMPDIR", "the path is not absolute"),
        ({"TMPDIR": "/proc/1"}, "TMPDIR", "cannot be written"),
        ({"RAY_TMPDIR": "/proc/x", "TMPDIR": "/var"}, "RAY_TMPDIR", "cannot be written"),
        ({"RAY_TMPDIR": "/etc/hostname"}, "RAY_TMPDIR", "is a file"),
        ({"TMPDIR": ""}, "TMPDIR", "not absolute"),
        ({"HOME": "/proc/x"}, "HOME", "RAY_AUTH_TOKEN_PATH to a file"),
        ({"HOME": "/etc/hostname"}, "HOME", "is a file"),
        ({"RAY_AUTH_TOKEN_PATH": "/proc/x/token"}, "RAY_AUTH_TOKEN_PATH", "cannot keep its token"),
    ],
    ids=str,
)
def test_what_ray_lacks_around_it_is_named_by_its_variable(
    variables: dict[str, str], variable: str, saying: str
) -> None:
    with pytest.raises(RayUnusableError, match=saying) as caught:
        check_ray_environment({"HOME": str(Path.home())} | variables)

    assert caught.value.variable == variable
    assert str(caught.value).startswith(f"{variable} is {variables[variable]!r}")


def test_what_ray_needs_is_there(tmp_path: Path) -> None:
    check_ray_environment({"HOME": str(tmp_path), "TMPDIR": "/tmp/not/made/yet"})  # noqa: S108  (nothing is made)
    check_ray_environment({"HOME": "/proc/x", "RAY_AUTH_TOKEN": "given"})
    check_ray_environment({"HOME": "/proc/x", "RAY_AUTH_MODE": "disabled"})


def test_a_cluster_that_is_gone_is_told_and_nothing_is_made(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"{LOOPBACK}:{free_port()}")
    monkeypatch.setattr("search.ray_environment.SECONDS_TO_ANSWER", 0.5)

    assert exit_code(["search", str(spec)]) == 2
    said = capsys.readouterr().err
    assert "no process answers there (Connection refused" in said
    assert said.count("\n") == 1
    assert sorted(spec.parent.iterdir()) == [spec]


@pytest.mark.slow
def test_a_port_where_something_else_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.driver.ray_door.SECONDS_TO_JOIN", 5.0)
    with socket.create_server((LOOPBACK, 0)) as server:
        monkeypatch.setenv("RAY_ADDRESS", f"{LOOPBACK}:{server.getsockname()[1]}")

        with pytest.raises(RayUnusableError, match=r"something answers at its port, but no Ray cluster did within 5 s"):
            check_ray()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "saying"),
    [
        ({"RAY_ROTATION_MAX_BYTES": "many"}, "ValueError: invalid literal"),
        ({"RAY_JOB_CONFIG_JSON_ENV_VAR": "{"}, "JSONDecodeError"),
        ({"RAY_AUTH_TOKEN_PATH": "empty"}, "AuthenticationError.*get-auth-token"),
    ],
    ids=["number", "job", "token"],
)
def test_what_ray_raises_at_its_start_is_told(variables: dict[str, str], saying: str, spec: Path) -> None:
    (spec.parent / "empty").touch()

    ended = subprocess.run(
        [XSTILTS, "search", str(spec)],
        env=os.environ | variables,
        cwd=spec.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 2, ended.stderr
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("xstilts: ")]
    assert line.startswith("xstilts: Ray does not start on this machine")
    assert "Traceback" not in ended.stderr
    assert re.search(saying, line)


def test_what_ray_says_of_versions_has_a_remedy() -> None:
    from ray._private.utils import check_version_info

    with pytest.raises(RuntimeError) as caught:
        check_version_info({"ray_version": "2.9.0", "python_version": "3.8.1"}, "127.0.0.1:6379")

    said = summarise_ray_message(f"RuntimeError: {caught.value}")
    assert "2.9.0" in said
    assert "install the cluster's versions" in said
    assert "\n" not in said
