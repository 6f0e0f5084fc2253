"""`clusters/slurm.sh`, run by bash with real signals. Slurm cannot be had here: `srun` and `scontrol` are stand-ins.

`srun` runs what it is given on this host, and `scontrol` notes that it was called. In the short tests `ray` and
`xstilts` are stand-ins too, for how a sweep ends is what the script decides by; the last test has the real ones.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from search.record import open_record
from tests.cluster.clusters import spec_of
from tests.cluster.hosts import ROOT, Host, NoHostsError, running_hosts

SCRIPT = ROOT / "clusters" / "slurm.sh"
SECONDS = 60.0
JOB = "4711"
_NOTE = 'echo "${0##*/} $*" >> "$CALLS"\n'
_SRUN = 'while [[ "$1" == -* ]]; do [ "$1" = -w ] && shift; shift; done; exec "$@"\n'
_SCONTROL = """
case "$1 $2" in
  "show hostnames") printf '%s\\n' $NODES ;;
  "show job") echo "   JobState=${STATE:-RUNNING} Reason=None Dependency=(null)" ;;
  requeue*) exit "${REQUEUE_CODE:-0}" ;;
esac
"""
_RAY = """
case "$1" in
  start) [ -z "${RAY_FAILS:-}" ] || exit 1; exec sleep 300 ;;
  status) [ -e "$RAY_ANSWERS" ] ;;
esac
"""
ENDS = "exit {code}"
STOPS_IN_ORDER = (
    "trap 'sleep 0.2; echo left >> \"$CALLS\"; exit {code}' TERM; touch $RUNS; while :; do sleep 0.05; done"
)
STARTED_EVERYWHERE = 'until [ "$(grep -c "^ray start" "$CALLS")" = 3 ]; do sleep 0.05; done'
DIES = "touch $RUNS; exec sleep 300"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as Slurm would start it."""

    folder: Path
    environment: dict[str, str]

    def start(self, *words: str, sweep: str = ENDS.format(code=0), **environment: str) -> subprocess.Popen[str]:
        """Start the script, in a process group that `end` ends."""
        _write(self.folder / "bin" / "xstilts", _NOTE + sweep)
        command = ["bash", str(SCRIPT), *(words or ("demo",))]
        return subprocess.Popen(
            command, env=self.environment | environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def run(self, *words: str, sweep: str = ENDS.format(code=0), **environment: str) -> tuple[int, str]:
        """Run the script to its end; returns its exit code and what it said."""
        return self.end(self.start(*words, sweep=sweep, **environment))

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for the script, then end what it left, as Slurm does; returns its exit code and what it said."""
        code = process.wait(SECONDS)
        with contextlib.suppress(ProcessLookupError):  # it left nothing
            os.killpg(process.pid, signal.SIGKILL)
        return code, process.communicate()[1]

    def calls(self, program: str) -> list[str]:
        """Return how a program was called."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line.removeprefix(f"{program} ") for line in lines if line.startswith(f"{program} ")]

    @property
    def requeues(self) -> list[str]:
        return [call for call in self.calls("scontrol") if call.startswith("requeue")]

    def wait_until_it_runs(self) -> None:
        wait_for(self.folder / "runs")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for name, body in {"srun": _NOTE + _SRUN, "scontrol": _NOTE + _SCONTROL, "ray": _NOTE + _RAY}.items():
        _write(tmp_path / "bin" / name, body)
    _write(tmp_path / "bin" / "hostname", "echo 127.0.0.1\n")
    _write(tmp_path / "project" / ".venv" / "bin" / "activate", "")
    for name in ("calls", "answers"):
        (tmp_path / name).touch()
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XSTILTS_PROJECT": str(tmp_path / "project"),
        "CALLS": str(tmp_path / "calls"),
        "RUNS": str(tmp_path / "runs"),
        "RAY_ANSWERS": str(tmp_path / "answers"),
        "NODES": "one two three",
        "SLURM_JOB_NODELIST": "all",
        "SLURM_JOB_ID": JOB,
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_GPUS_ON_NODE": "4",
        "SLURMD_NODENAME": "one",
    }
    return Job(folder=tmp_path, environment=environment)


def test_every_node_is_asked_for_its_gpus_and_ray_is_told_of_them(job: Job) -> None:
    job.run(sweep=STARTED_EVERYWHERE)

    steps, starts = job.calls("srun"), job.calls("ray")
    assert all("--cpus-per-task=8 --gpus-per-node=4" in step for step in steps)
    begins = [call for call in starts if call.startswith("start --num-cpus=8 --num-gpus=4 --block")]
    assert sorted("--head" in call for call in begins) == [False, False, True]
    assert {node for node in ("one", "two", "three") for step in steps if f"-w {node} ray" in step} == {
        "one",
        "two",
        "three",
    }


def test_nodes_without_gpus_are_not_asked_for_any(job: Job) -> None:
    job.environment.pop("SLURM_GPUS_ON_NODE")

    code, _ = job.run(sweep=STARTED_EVERYWHERE)

    assert code == 0
    assert not [step for step in job.calls("srun") if "--gpus-per-node" in step]
    assert all("--num-gpus=0" in call for call in job.calls("ray") if call.startswith("start"))


@pytest.mark.parametrize(
    ("how", "code"), [("is complete", 0), ("failed", 1), ("was given wrongly", 2), ("was interrupted by hand", 3)]
)
def test_a_sweep_that_ends_by_itself_is_not_put_back(how: str, code: int, job: Job) -> None:
    del how
    assert job.run(sweep=ENDS.format(code=code))[0] == code
    assert job.requeues == []


def test_a_sweep_that_stops_in_order_after_term_is_put_back_once(job: Job) -> None:
    process = job.start(sweep=STOPS_IN_ORDER.format(code=3))
    job.wait_until_it_runs()
    process.send_signal(signal.SIGTERM)

    code, _ = job.end(process)

    assert code == 0
    assert job.requeues == [f"requeue {JOB}"]
    lines = (job.folder / "calls").read_text().splitlines()
    assert lines.index("left") < lines.index(f"scontrol requeue {JOB}")


def test_a_sweep_that_term_ends_before_it_listens_is_put_back(job: Job) -> None:
    process = job.start(sweep=DIES)
    job.wait_until_it_runs()
    process.send_signal(signal.SIGTERM)

    job.end(process)

    assert job.requeues == [f"requeue {JOB}"]


@pytest.mark.parametrize(("how", "code"), [("becomes complete", 0), ("fails", 1), ("finds a wrong input", 2)])
def test_a_sweep_that_ends_otherwise_after_term_is_not_put_back(how: str, code: int, job: Job) -> None:
    del how
    process = job.start(sweep=STOPS_IN_ORDER.format(code=code))
    job.wait_until_it_runs()
    process.send_signal(signal.SIGTERM)

    assert job.end(process)[0] == code
    assert job.requeues == []


def test_term_before_ray_answers_puts_the_job_back_and_starts_no_sweep(job: Job) -> None:
    (job.folder / "answers").unlink()
    process = job.start()
    wait_until_called(job, "ray", "status")
    process.send_signal(signal.SIGTERM)

    job.end(process)

    assert (job.requeues, job.calls("xstilts")) == ([f"requeue {JOB}"], [])


def test_a_job_that_was_put_back_takes_the_sweep_over(job: Job) -> None:
    job.run("demo", "--store", "here")
    job.run("demo", "--store", "here", SLURM_RESTART_COUNT="2")

    assert job.calls("xstilts") == ["search demo --store here", "search demo --store here --take-over"]


def test_a_job_is_not_put_back_for_ever(job: Job) -> None:
    process = job.start(sweep=STOPS_IN_ORDER.format(code=3), SLURM_RESTART_COUNT="20")
    job.wait_until_it_runs()
    process.send_signal(signal.SIGTERM)

    code, said = job.end(process)

    assert (code, job.requeues) == (3, [])
    assert "20 are allowed: run the same sbatch to continue" in said


def test_a_job_that_is_cancelled_is_not_put_back(job: Job) -> None:
    process = job.start(sweep=STOPS_IN_ORDER.format(code=3), STATE="CANCELLED")
    job.wait_until_it_runs()
    process.send_signal(signal.SIGTERM)

    code, said = job.end(process)

    assert (code, job.requeues) == (3, [])
    assert "Slurm is ending the job (JobState=CANCELLED)" in said


def test_a_refusal_to_put_the_job_back_is_said_with_the_next_step(job: Job) -> None:
    process = job.start(sweep=STOPS_IN_ORDER.format(code=3), REQUEUE_CODE="1")
    job.wait_until_it_runs()
    process.send_signal(signal.SIGTERM)

    code, said = job.end(process)

    assert code == 3
    assert f"did not re-queue job {JOB}: run the same sbatch to continue the sweep" in said


def test_a_head_that_does_not_start_ends_the_job_with_a_message(job: Job) -> None:
    (job.folder / "answers").unlink()

    code, said = job.run(RAY_FAILS="yes")

    assert (code, job.requeues, job.calls("xstilts")) == (1, [], [])
    assert "Ray did not start on one" in said


def test_the_script_asks_slurm_for_the_signal_and_for_gpus() -> None:
    lines = [line.split()[1] for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]

    assert {"--requeue", "--open-mode=append", "--gpus-per-node=1"} <= set(lines)
    assert [line for line in lines if line.startswith("--signal=B:TERM@")]  # to the script, for srun would kill


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    """A host whose processes end with the test: `ray start` leaves many."""
    try:
        with running_hosts(tmp_path / "hosts", []) as hosts:
            yield hosts.laptop
    except NoHostsError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_sweep_leaves_checkpoints_is_put_back_and_continues(
    node: Host, tiny_encoder: Path, tiny_mirror: Path, tmp_path: Path
) -> None:
    for name, body in {"srun": _NOTE + _SRUN, "scontrol": _NOTE + _SCONTROL, "hostname": "echo 127.0.0.1\n"}.items():
        _write(tmp_path / "bin" / name, body)
    (tmp_path / "calls").touch()
    (node.home / "spec.yaml").write_text(yaml.safe_dump(spec_of("slurm", tiny_encoder, trials=1, steps=1500)))
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "NODES": "one",
        "SLURM_JOB_NODELIST": "one",
        "SLURM_JOB_ID": JOB,
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_GPUS_ON_NODE": "2",
        "XSTILTS_MIRROR": str(tiny_mirror),
        "XSTILTS_HOME": str(tmp_path / "xstilts-home"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "datasets-cache"),
    }
    store = tmp_path / "store"

    first = start_on(node, ["spec.yaml", "--store", str(store)], environment=environment)
    wait_for(store / "checkpoints", pattern="*/*/manifest.json", seconds=240)
    node.run("kill", "-TERM", (node.home / "pid").read_text().strip())
    first_code = first.wait(SECONDS)
    left = list((store / "checkpoints").glob("*/*/manifest.json"))
    with open_record(tmp_path / "xstilts-home" / "record.db", read_only=True) as record:
        stopped = [trial.state for trial in record.trials("slurm")]
    end_as_slurm_does(node)
    again = start_on(node, ["spec.yaml", "--store", str(store)], environment=environment | {"SLURM_RESTART_COUNT": "1"})
    second_code = again.wait(500)

    with open_record(tmp_path / "xstilts-home" / "record.db", read_only=True) as record:
        finished = [trial.state for trial in record.trials("slurm")]
    assert (first_code, stopped, bool(left)) == (0, ["interrupted"], True)
    assert (second_code, finished) == (0, ["finished"]), (node.home / "slurm.out").read_text()
    assert (tmp_path / "calls").read_text().count(f"scontrol requeue {JOB}") == 1


def start_on(node: Host, words: Sequence[str], *, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start the script on a host, with its number in the file `pid`."""
    line = 'echo $$ > pid; exec bash "$@"'
    command = node.command("bash", "-c", line, "bash", str(SCRIPT), *words, environment=environment)
    with (node.home / "slurm.out").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, text=True)


def end_as_slurm_does(node: Host) -> None:
    """End what a turn of the job left, and wait for it: the next turn does not start before."""
    node.end_processes()
    deadline = time.monotonic() + SECONDS
    while node.processes():
        assert time.monotonic() < deadline, node.processes()
        time.sleep(0.1)


def wait_for(path: Path, *, pattern: str | None = None, seconds: float = SECONDS) -> None:
    """Wait until a file is there, or one below it that fits a pattern."""
    deadline = time.monotonic() + seconds
    while not (any(path.glob(pattern)) if pattern else path.exists()):
        assert time.monotonic() < deadline, path
        time.sleep(0.05)


def wait_until_called(job: Job, program: str, word: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not [call for call in job.calls(program) if call.startswith(word)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _write(file: Path, body: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/usr/bin/env bash\n{body}")
    file.chmod(0o755)
