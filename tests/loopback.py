"""Runs commands with loopback as their only network: in a network namespace of their own."""

from __future__ import annotations

import subprocess
import sys

_LOOPBACK_UP = """
import errno, fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    if error.errno == errno.ENETUNREACH:
        os.execvp(sys.argv[1], sys.argv[1:])
sys.exit("there is still a network")
"""


def without_network(*words: str) -> list[str] | None:
    """Return a command's words, to be run without a network; None if this machine allows no new namespaces."""
    for unshare in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        command = [*unshare, sys.executable, "-c", _LOOPBACK_UP]
        try:
            allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return None
        if allowed:
            return [*command, *words]
    return None
