"""Hosts that are namespaces of this machine: each with its own network, processes, host name, /tmp/ray, /dev/shm, home.

They hang on one bridge, which is in the namespace of the first host, the laptop: this machine's own network is not
touched. The namespaces have no names: they end with their processes, which end with the process that made them.

`ray stop` ends every Ray process that it sees, so that hosts that saw each other's processes would end each other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NETWORK = "10.77.0"
SECONDS = 30.0
_TOOLS = {"sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync", "ip": "iproute2"}

# /run and /dev/shm are emptied, /tmp/ray is the host's own, and no host sees another's folder, its home among it; all
# else of the file system is shared, as a shared disk is.
_START = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run && mkdir /run/sshd
mount -t tmpfs tmpfs /dev/shm
mkdir /run/own && mount --bind "$1" /run/own
mount -t tmpfs tmpfs "$(dirname "$1")" && mkdir "$1" && mount --bind /run/own "$1"
mount --bind "$1/ray" /tmp/ray
mount --bind "$1/passwd" /etc/passwd
hostname "$2"
ip link set lo up
exec "$3" -D -e -f "$1/sshd_config"
"""


class NoHostsError(Exception):
    """Hosts cannot be made here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host that runs."""

    name: str
    address: str
    folder: Path
    process: subprocess.Popen[bytes]
    """`unshare`; its child is the host's first process."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def number(self) -> int:
        """Number of the host's first process, as this machine counts."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text().split()[0])

    def command(self, *words: str, environment: dict[str, str] | None = None) -> list[str]:
        """Return a command's words, to be run on this host."""
        variables = {"HOME": str(self.home), "PYTHONPATH": str(ROOT)} | (environment or {})
        given = [f"{name}={value}" for name, value in variables.items()]
        enter = ["nsenter", "--target", str(self.number), "--mount", "--uts", "--net", "--pid"]
        return [*enter, "env", "--chdir", str(self.home), *given, *words]

    def run(
        self, *words: str, environment: dict[str, str] | None = None, seconds: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host and return how it ended."""
        command = self.command(*words, environment=environment)
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)

    def processes(self) -> list[str]:
        """Return the command lines of the host's processes, its first one apart."""
        return [line for line in self._command_lines().values() if line]

    def end_processes(self) -> None:
        """Kill the host's processes, its first one apart."""
        for number in self._command_lines():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _command_lines(self) -> dict[int, str]:
        space = Path(f"/proc/{self.number}/ns/pid").readlink()
        found: dict[int, str] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(entry.name) != self.number and (entry / "ns/pid").readlink() == space:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(entry.name)] = line.strip()
        return found

    def kill(self) -> None:
        """End all processes of the host at once, as a power cut does."""
        with contextlib.suppress(OSError, IndexError):
            os.kill(self.number, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@dataclass(slots=True, kw_only=True)
class Hosts:
    """Hosts on one bridge; the first is the laptop, which holds the bridge."""

    folder: Path
    environment: dict[str, str]
    """What stands in the environment of who comes by ssh."""
    hosts: list[Host] = field(default_factory=list[Host])

    @property
    def laptop(self) -> Host:
        return self.hosts[0]

    @property
    def key(self) -> Path:
        """The private key that opens every host."""
        return self.folder / "laptop" / "key"

    def add(self, name: str) -> Host:
        """Start one more host and wait until its sshd answers."""
        address = f"{NETWORK}.{len(self.hosts) + 1}"
        folder = self.folder / name
        _write_host(folder, key=self.key, environment=self.environment)
        command = ["setpriv", "--pdeathsig", "KILL"]  # of the process that makes the hosts; unshare then ends its child
        command += ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command += ["sh", "-c", _START, "host", str(folder), name, str(shutil.which("sshd", path=_path()))]
        with (folder / "sshd.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        host = Host(name=name, address=address, folder=folder, process=process)
        self.hosts.append(host)
        _wait_for_first_process(host)
        self._connect(host)
        if host is not self.laptop:
            self._wait_for_ssh(host)
        return host

    def cut(self, host: Host) -> None:
        """Take a host off the network."""
        _ip(self.laptop, "link", "set", _link(host), "down")

    def close(self) -> None:
        """End every host."""
        for host in reversed(self.hosts):
            host.kill()

    def _connect(self, host: Host) -> None:
        if host is self.laptop:
            _ip(host, "link", "add", "bridge", "type", "bridge")
            _ip(host, "addr", "add", f"{host.address}/24", "dev", "bridge")
            _ip(host, "link", "set", "bridge", "up")
            return
        inner, outer = str(host.number), str(self.laptop.number)
        pair = ["link", "add", _link(host), "netns", outer, "type", "veth", "peer", "name", "eth0", "netns", inner]
        subprocess.run(["ip", *pair], check=True)
        _ip(self.laptop, "link", "set", _link(host), "master", "bridge", "up")
        _ip(host, "addr", "add", f"{host.address}/24", "dev", "eth0")
        _ip(host, "link", "set", "eth0", "up")
        _ip(host, "route", "add", "default", "via", self.laptop.address)

    def _wait_for_ssh(self, host: Host) -> None:
        deadline = time.monotonic() + SECONDS
        words = ["ssh", "-i", str(self.key), "-oStrictHostKeyChecking=no", "-oBatchMode=yes", host.address, "true"]
        while (ended := self.laptop.run(*words)).returncode != 0:
            assert time.monotonic() < deadline, ended.stderr + (host.folder / "sshd.log").read_text()
            time.sleep(0.2)


@contextlib.contextmanager
def running_hosts(folder: Path, names: Sequence[str], *, environment: dict[str, str] | None = None) -> Generator[Hosts]:
    """Yield a laptop and hosts of the given names, all of which end afterwards.

    Args:
        folder: Empty folder for them.
        names: Names of the hosts beside the laptop.
        environment: What is to stand in the environment of who comes by ssh.

    Raises:
        NoHostsError: This machine does not allow it.
    """
    check_possible()
    Path("/tmp/ray").mkdir(exist_ok=True)  # noqa: S108  (Ray's own default, hidden on each host by its own)
    folder.mkdir(parents=True, exist_ok=True)
    hosts = Hosts(folder=folder, environment={"PYTHONPATH": str(ROOT)} | (environment or {}))
    hosts.key.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(hosts.key)], check=True)
    try:
        for name in ["laptop", *names]:
            hosts.add(name)
        yield hosts
    finally:
        hosts.close()


def check_possible() -> None:
    """Return when hosts can be made here.

    Raises:
        NoHostsError: They cannot, and why.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoHostsError("hosts as network namespaces need Linux and root")
    if subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        raise NoHostsError("this machine does not allow new namespaces (unshare --net --mount --pid)")
    missing = {package for tool, package in _TOOLS.items() if shutil.which(tool, path=_path()) is None}
    if missing:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "-q", "update"], check=False, **quiet)
        installed = subprocess.run(["apt-get", "install", "-qy", *sorted(missing)], check=False, **quiet)
        if installed.returncode:
            raise NoHostsError(f"{', '.join(sorted(missing))} are missing and cannot be installed by apt-get")


def _write_host(folder: Path, *, key: Path, environment: dict[str, str]) -> None:
    for name in ("ray", "home/.ssh"):
        (folder / name).mkdir(parents=True)
    (folder / "home" / "xstilts").symlink_to(ROOT)
    # ssh finds `~` there, not in HOME; a home of its own holds a host's token and keys.
    fields = [line.split(":") for line in Path("/etc/passwd").read_text().splitlines()]
    lines = [":".join([*one[:5], str(folder / "home"), *one[6:]] if one[0] == "root" else one) for one in fields]
    (folder / "passwd").write_text("\n".join(lines) + "\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")], check=True)
    shutil.copy(f"{key}.pub", folder / "authorized_keys")
    lines = [
        "ListenAddress 0.0.0.0",  # of the host's own network, which ends at the bridge
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        "StrictModes no",  # the folder of a test may be below /tmp
        "UsePAM no",
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
        "Subsystem sftp internal-sftp",
        "SetEnv " + " ".join(f"{name}={value}" for name, value in environment.items()),
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")


def _wait_for_first_process(host: Host) -> None:
    """Wait until the host's sshd runs, which is when its mounts stand."""
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError, IndexError):
            if Path(f"/proc/{host.number}/comm").read_text().strip() == "sshd":
                return
        assert time.monotonic() < deadline, (host.folder / "sshd.log").read_text()
        time.sleep(0.05)


def _link(host: Host) -> str:
    return f"to-{host.name}"


def _ip(host: Host, *words: str) -> None:
    subprocess.run(["nsenter", "--target", str(host.number), "--net", "ip", *words], check=True)


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
