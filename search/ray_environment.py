"""Checks the environment of Ray before it starts: the address of a running cluster, or folders that it can write.

Ray itself reports such problems late and in many lines, and waits without end for a cluster that does not run. Here
each problem is one line that names the variable to change. This module does not import Ray, because `xstilts doctor`
uses it too.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from search.errors import RayUnusableError
from trainables.names import expanded
from trainables.storage import why_not_writable

ADDRESS, TMPDIR, RAY_TMPDIR, TOKEN_PATH = "RAY_ADDRESS", "TMPDIR", "RAY_TMPDIR", "RAY_AUTH_TOKEN_PATH"

AUTO, LOCAL = "auto", "local"

SECONDS_TO_ANSWER = 10.0
"""Seconds to wait for a closed port: a head that has just started opens it late."""

SHORT_FOLDER = "/tmp/ray"  # noqa: S108  (Ray's own default where no variable names another)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (the kernel's)

LONGEST_SOCKET = 107
"""The longest path of a socket on Linux, in bytes (sun_path without its final zero), as Ray checks it; 103 on macOS."""

BELOW_FOLDER = "/session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""The longest path that Ray appends to its folder: the process id in a session's name has up to seven digits."""

_WITHOUT = f"or unset {ADDRESS} to search on this machine only"
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Host and port of a cluster's head."""

    host: str
    port: int


def given_address(variables: Mapping[str, str]) -> str | None:
    """Return the value of RAY_ADDRESS, or None if Ray runs on this machine only."""
    value = variables.get(ADDRESS, "").strip()
    return None if value in {"", LOCAL} else value


def check_ray_environment(variables: Mapping[str, str]) -> None:
    """Check the address of the cluster (waiting some seconds for its port), or the folders that a local Ray needs.

    Args:
        variables: Environment variables.

    Raises:
        RayUnusableError: Ray cannot be started or joined.
    """
    given = given_address(variables)
    if given is None:
        temporary_folder(variables)
        _check_temporary(variables)
        _check_token(variables)
        _check_shared_memory()
    elif given != AUTO:
        _check_port_open(parse_address(given), given=given)


def parse_address(given: str) -> Address:
    """Return host and port of an address.

    Raises:
        RayUnusableError: The address does not have the form `host:port`.
    """
    scheme, has_scheme, _ = given.partition("://")
    if has_scheme and scheme == "ray":
        problem = "is an address of Ray Client, which cannot drive a sweep"
        raise _unusable(given, problem, f"run the command on a host of the cluster with {ADDRESS}={AUTO}, {_WITHOUT}")
    if has_scheme:
        problem = f"is a URL ({scheme}), such as that of a dashboard, and not the address of the cluster's head"
        raise _unusable(given, problem, f"give host:port of the head (port 6379 usually), {_WITHOUT}")
    host, colon, port = given.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    is_port = port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT
    is_wrong = not host or any(character in host for character in " ,/@[]") or (":" in host and not is_bracketed)
    if not colon or not is_port or is_wrong:
        remedy = f"give host:port of the head, or {AUTO} on a host of the cluster, {_WITHOUT}"
        raise _unusable(given, "is not an address", remedy)
    return Address(host=host, port=int(port))


def temporary_folder(variables: Mapping[str, str]) -> str | None:
    """Return the folder for Ray's session, or None for Ray's own default.

    Ray keeps its sockets below TMPDIR, and does not start if their paths are too long. The TMPDIR of a batch system is
    often too long.

    Raises:
        RayUnusableError: RAY_TMPDIR, the variable for Ray only, is too long.
    """
    longest = LONGEST_SOCKET if sys.platform.startswith("linux") else 103
    room = longest - len(BELOW_FOLDER) - len("/ray")
    chosen = variables.get(RAY_TMPDIR)
    if chosen is not None and len(os.fsencode(chosen)) > room:
        msg = (
            f"{RAY_TMPDIR} is too long for Ray's sockets: {chosen}; give a folder of at most {room} bytes, or unset it"
        )
        raise RayUnusableError(RAY_TMPDIR, chosen, msg)
    if chosen is None and len(os.fsencode(variables.get(TMPDIR, ""))) > room:
        return SHORT_FOLDER
    return None


def _check_temporary(variables: Mapping[str, str]) -> None:
    """Check the folder that Ray creates its session's folder in."""
    name = next((name for name in (RAY_TMPDIR, TMPDIR) if name in variables), None)
    if name is None or temporary_folder(variables) is not None:
        problem = why_not_writable(Path(SHORT_FOLDER))
        if problem is not None:
            msg = f"Ray cannot keep its session in {SHORT_FOLDER!r}: {problem}; set {RAY_TMPDIR} to another folder"
            raise RayUnusableError(RAY_TMPDIR, SHORT_FOLDER, msg)
        return
    folder = Path(variables[name])
    problem = why_not_writable(folder / "ray") if folder.is_absolute() else "the path is not absolute"
    if problem is not None:
        msg = (
            f"{name} is {variables[name]!r}, and Ray cannot keep its session there: {problem}; set it to a folder that "
            "you can write on this machine, or unset it"
        )
        raise RayUnusableError(name, variables[name], msg)


def _check_token(variables: Mapping[str, str]) -> None:
    """Check the file of the token that authenticates the processes of a session to each other; Ray creates it."""
    if variables.get("RAY_AUTH_MODE", "token").lower() != "token" or variables.get("RAY_AUTH_TOKEN"):
        return
    chosen = variables.get(TOKEN_PATH)
    path = expanded(chosen, what=TOKEN_PATH) if chosen else _home(variables) / ".ray" / "auth_token"
    problem = None if path.is_file() else why_not_writable(path.parent)
    if problem is None:
        return
    name, value = (TOKEN_PATH, chosen) if chosen else ("HOME", str(path.parent.parent))
    msg = (
        f"{name} is {value!r}, and Ray cannot keep its token there: {problem}; set HOME to a folder that you can "
        f"write, or {TOKEN_PATH} to a file in one"
    )
    raise RayUnusableError(name, value, msg)


def _home(variables: Mapping[str, str]) -> Path:
    return Path(variables["HOME"]) if variables.get("HOME") else Path.home()


def _check_shared_memory() -> None:
    if not sys.platform.startswith("linux"):
        return
    problem = why_not_writable(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else "there is no such folder"
    if problem is not None:
        msg = (
            f"Ray keeps its objects in {str(SHARED_MEMORY)!r}, which cannot be used: {problem}; mount a tmpfs there "
            "(docker: --shm-size=1g, Kubernetes: an emptyDir of medium Memory)"
        )
        raise RayUnusableError(str(SHARED_MEMORY), str(SHARED_MEMORY), msg)


def _check_port_open(address: Address, *, given: str) -> None:
    """Check that a port is open, or opens within some seconds.

    Raises:
        RayUnusableError: The port is closed, or the host's name is unknown.
    """
    until = time.monotonic() + SECONDS_TO_ANSWER
    reason = ""
    while (left := until - time.monotonic()) > 0:
        try:
            with socket.create_connection((address.host, address.port), timeout=left):
                return
        except socket.gaierror as error:
            raise _unreachable(given, f"no host has this name ({error.strerror})") from None
        except OSError as error:
            reason = error.strerror or str(error)
            time.sleep(min(0.5, max(0.0, left)))
    raise _unreachable(given, f"no process answers there ({reason}, {SECONDS_TO_ANSWER:g} s)")


def _unreachable(given: str, reason: str) -> RayUnusableError:
    remedy = f"start the cluster (`ray start --head`, `xstilts cluster up`), correct the address, {_WITHOUT}"
    return _unusable(given, f"cannot be joined: {reason}", remedy)


def unusable_address(given: str, problem: str) -> RayUnusableError:
    """Return the error of a cluster that answers but cannot be joined."""
    return _unusable(given, f"cannot be joined: {problem}", f"repair the cluster, give another one, {_WITHOUT}")


def _unusable(given: str, problem: str, remedy: str) -> RayUnusableError:
    return RayUnusableError(ADDRESS, given, f"{ADDRESS} {given!r} {problem}; {remedy}")
