"""What Ray needs around it, checked before it starts: an address where somebody answers, or folders of its own.

Ray itself finds out late and tells in many lines; a cluster that is gone it waits for until it is stopped. Here each
problem is one line that names the variable to change. Ray is not imported: `xstilts doctor` asks too.
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
from trainables.storage import why_not_writable

ADDRESS, TMPDIR, RAY_TMPDIR, TOKEN_PATH = "RAY_ADDRESS", "TMPDIR", "RAY_TMPDIR", "RAY_AUTH_TOKEN_PATH"

AUTO, LOCAL = "auto", "local"

SECONDS_TO_ANSWER = 10.0
"""How long a port may stay closed: a head that has just been started opens it late."""

SHORT_FOLDER = "/tmp/ray"  # noqa: S108  (Ray's own default where no variable names another)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (the kernel's)

LONGEST_SOCKET = 107
"""Bytes of the path of a socket on Linux (sun_path less its end), as Ray checks them; on macOS it is 103."""

BELOW_FOLDER = "/session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""The longest that Ray puts below its folder: a session's process id has up to seven digits."""

_WITHOUT = f"or unset {ADDRESS} to search on this machine alone"
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a cluster's head answers."""

    host: str
    port: int


def given_address(variables: Mapping[str, str]) -> str | None:
    """Return the cluster that RAY_ADDRESS names, or None for Ray on this machine alone."""
    value = variables.get(ADDRESS, "").strip()
    return None if value in {"", LOCAL} else value


def check_ray_surroundings(variables: Mapping[str, str]) -> None:
    """Check what Ray needs around it; at a cluster's address it is waited for some seconds until somebody answers.

    Raises:
        RayUnusableError: Something is missing.
    """
    given = given_address(variables)
    if given is None:
        temporary_folder(variables)
        _check_temporary(variables)
        _check_token(variables)
        _check_shared_memory()
    elif given != AUTO:
        _check_answers(parsed_address(given), given=given)


def parsed_address(given: str) -> Address:
    """Return host and port of an address.

    Raises:
        RayUnusableError: It has another form.
    """
    scheme, has_scheme, _ = given.partition("://")
    if has_scheme and scheme == "ray":
        problem = "is one of Ray Client, through which no sweep can be driven"
        raise _unusable(given, problem, f"run the command on a host of the cluster with {ADDRESS}={AUTO}, {_WITHOUT}")
    if has_scheme:
        problem = f"is a URL ({scheme}), as a dashboard has, and not where Ray's hosts meet"
        raise _unusable(given, problem, f"give host:port of its head (port 6379 usually), {_WITHOUT}")
    host, colon, port = given.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    is_port = port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT
    odd = not host or any(sign in host for sign in " ,/@[]") or (":" in host and not is_bracketed)
    if not colon or not is_port or odd:
        raise _unusable(
            given, "is no address", f"give host:port of the head, or {AUTO} on one of its hosts, {_WITHOUT}"
        )
    return Address(host=host, port=int(port))


def temporary_folder(variables: Mapping[str, str]) -> str | None:
    """Return where Ray is to keep its session: None for where it would by itself.

    Ray keeps its sockets below TMPDIR and does not start where their paths are too long, as a batch system's often are.

    Raises:
        RayUnusableError: RAY_TMPDIR, which names the folder for Ray alone, is too long.
    """
    longest = LONGEST_SOCKET if sys.platform.startswith("linux") else 103
    room = longest - len(BELOW_FOLDER) - len("/ray")
    chosen = variables.get(RAY_TMPDIR)
    if chosen is not None and len(os.fsencode(chosen)) > room:
        msg = (
            f"{RAY_TMPDIR} is too long for Ray's sockets: {chosen}; name a folder of at most {room} bytes, or unset it"
        )
        raise RayUnusableError(RAY_TMPDIR, chosen, msg)
    if chosen is None and len(os.fsencode(variables.get(TMPDIR, ""))) > room:
        return SHORT_FOLDER
    return None


def _check_temporary(variables: Mapping[str, str]) -> None:
    """Check the folder that Ray puts its session's folder into."""
    name = next((name for name in (RAY_TMPDIR, TMPDIR) if name in variables), None)
    if name is None or temporary_folder(variables) is not None:
        problem = why_not_writable(Path(SHORT_FOLDER))
        if problem is not None:
            msg = f"Ray cannot keep its session in {SHORT_FOLDER!r}: {problem}; name another folder in {RAY_TMPDIR}"
            raise RayUnusableError(RAY_TMPDIR, SHORT_FOLDER, msg)
        return
    folder = Path(variables[name])
    problem = why_not_writable(folder / "ray") if folder.is_absolute() else "the path is not absolute"
    if problem is not None:
        msg = (
            f"{name} is {variables[name]!r}, and Ray cannot keep its session there: {problem}; name a folder of this "
            "machine that can be written, or unset it"
        )
        raise RayUnusableError(name, variables[name], msg)


def _check_token(variables: Mapping[str, str]) -> None:
    """Check the file of the token by which the processes of a session know each other; Ray makes it."""
    if variables.get("RAY_AUTH_MODE", "token").lower() != "token" or variables.get("RAY_AUTH_TOKEN"):
        return
    chosen = variables.get(TOKEN_PATH)
    path = Path(chosen).expanduser() if chosen else _home(variables) / ".ray" / "auth_token"
    problem = None if path.is_file() else why_not_writable(path.parent)
    if problem is None:
        return
    name, value = (TOKEN_PATH, chosen) if chosen else ("HOME", str(path.parent.parent))
    msg = (
        f"{name} is {value!r}, and Ray cannot keep its token there: {problem}; set HOME to a folder of yours, or "
        f"{TOKEN_PATH} to a file in one"
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
            f"Ray keeps its objects in {str(SHARED_MEMORY)!r}, and it cannot be used: {problem}; mount a tmpfs there "
            "(docker: --shm-size=1g, Kubernetes: an emptyDir of medium Memory)"
        )
        raise RayUnusableError(str(SHARED_MEMORY), str(SHARED_MEMORY), msg)


def _check_answers(address: Address, *, given: str) -> None:
    """Check that a port is open, for some seconds.

    Raises:
        RayUnusableError: It is not, or the host's name is unknown.
    """
    until = time.monotonic() + SECONDS_TO_ANSWER
    said = ""
    while (left := until - time.monotonic()) > 0:
        try:
            with socket.create_connection((address.host, address.port), timeout=left):
                return
        except socket.gaierror as error:
            raise _gone(given, f"no host has this name ({error.strerror})") from None
        except OSError as error:
            said = error.strerror or str(error)
            time.sleep(min(0.5, max(0.0, left)))
    raise _gone(given, f"nobody answers there ({said}, {SECONDS_TO_ANSWER:g} s)")


def _gone(given: str, why: str) -> RayUnusableError:
    remedy = f"start the cluster (`ray start --head`, `xstilts cluster up`), correct the address, {_WITHOUT}"
    return _unusable(given, f"cannot be joined: {why}", remedy)


def unusable_address(given: str, problem: str) -> RayUnusableError:
    """Return the error of a cluster that answers and cannot be joined."""
    return _unusable(given, f"cannot be joined: {problem}", f"repair it, or name another, {_WITHOUT}")


def _unusable(given: str, problem: str, remedy: str) -> RayUnusableError:
    return RayUnusableError(ADDRESS, given, f"{ADDRESS} {given!r} {problem}; {remedy}")
