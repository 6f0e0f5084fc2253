"""A cluster of three hosts: the cluster file that ships, the real `ray up` over ssh, sweeps submitted from a laptop.

The hosts are namespaces of this machine (`tests.cluster.hosts`). Tests run in the order in which they stand: the
cluster loses a host, and then ends.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.clusters import NUM_TRIALS, STEPS, Cluster, losses, scores, spec_of
from tests.cluster.hosts import NoHostsError, running_hosts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WITHIN = 1e-4
NOTICED_SOON = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "4",
}
"""Ray notices a host that is gone after some 20 s, not after a minute."""
SECONDS_TO_START = 120.0
SECONDS_TO_GET_A_TRIAL = 30.0
_ASK_UNKNOWN = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:8265/api/jobs/").status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def cluster(tiny_encoder: Path, tiny_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:  # noqa: ARG001
    """Three hosts in a cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    environment = {
        "XSTILTS_MIRROR": str(tiny_mirror),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "datasets-cache"),
        **NOTICED_SOON,
    }
    try:
        with running_hosts(folder / "hosts", ["head", "one", "two"], environment=environment) as hosts:
            yield Cluster(hosts=hosts, shared=folder, environment=environment)
    except NoHostsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def joined(cluster: Cluster) -> list[dict[str, Any]]:
    """The hosts of the cluster after what the document says of its launch."""
    cluster.walk("Launch")
    return cluster.answer("cluster", "status")["hosts"]


@pytest.fixture(scope="module")
def spread(cluster: Cluster, joined: list[dict[str, Any]], tiny_encoder: Path) -> str:  # noqa: ARG001
    """What a sweep printed whose trials fit on no single host together."""
    cluster.submit(like_spread("spread", cluster, tiny_encoder))
    return cluster.follow("spread")


def like_spread(name: str, cluster: Cluster, encoder: Path) -> dict[str, Any]:
    """Return the spec of a sweep with a trial on each host, which lasts longer than a host takes to join."""
    return spec_of(name, encoder, steps=3 * STEPS, engine={"threads_per_rank": num_cores(cluster)})


def num_cores(cluster: Cluster) -> int:
    return int(cluster.answer("cluster", "status")["hosts"][0]["cpus"])


def hosts_of(cluster: Cluster, sweep: str) -> set[object]:
    with cluster.opened() as record:
        return {event.payload["host"] for event in record.events(sweep) if event.kind == "running"}


def test_every_host_of_the_file_joins(cluster: Cluster, joined: list[dict[str, Any]]) -> None:
    assert [host["is_head"] for host in joined] == [True, False, False]
    assert {host["address"] for host in joined} == {host.address for host in cluster.hosts.hosts[1:]}


def test_a_request_without_the_token_is_refused(cluster: Cluster, joined: list[dict[str, Any]]) -> None:  # noqa: ARG001
    assert cluster.head.run("python3", "-c", _ASK_UNKNOWN).stdout.strip() == "401"


def test_the_dashboard_listens_on_the_heads_loopback_alone(cluster: Cluster, joined: list[dict[str, Any]]) -> None:  # noqa: ARG001
    asked = cluster.hosts.laptop.run("bash", "-c", f"exec 3<>/dev/tcp/{cluster.head.address}/8265")

    assert "Connection refused" in asked.stderr


def test_a_submitted_sweep_runs_on_several_hosts(cluster: Cluster, spread: str) -> None:
    assert f"{NUM_TRIALS} of {NUM_TRIALS} trials done, 0 failed" in spread
    assert len(hosts_of(cluster, "spread")) >= 2


def test_the_documents_sweep_runs_and_its_questions_are_answered(cluster: Cluster, spread: str) -> None:  # noqa: ARG001
    searched, told = cluster.walk("Search"), cluster.walk("Look at results")

    assert "4 of 4 trials done, 0 failed" in searched
    assert "trials" in told
    assert (cluster.hosts.laptop.home / "demo.html").stat().st_size > 0


def test_a_laptop_with_the_stores_place_alone_gets_the_answers(cluster: Cluster, spread: str) -> None:  # noqa: ARG001
    told = cluster.xstilts("best", "spread", "--store", cluster.store)
    (best,) = cluster.answer("best", "spread", "--top", "1", "--store", cluster.store)
    status = cluster.answer("status", "spread", "--store", cluster.store)

    assert re.search(r"copy of the record in the store, \d+ s old", told.stderr)
    assert (best["sweep"], status["states"]["finished"]) == ("spread", NUM_TRIALS)


def test_the_same_submission_again_finds_the_sweep_complete(cluster: Cluster, spread: str, tiny_encoder: Path) -> None:  # noqa: ARG001
    cluster.submit(like_spread("spread", cluster, tiny_encoder))
    cluster.follow("spread")

    with cluster.opened() as record:
        assert [trial.attempts for trial in record.trials("spread")] == [1] * NUM_TRIALS


def test_two_ranks_on_two_hosts_train_as_on_one(cluster: Cluster, spread: str, tiny_encoder: Path) -> None:  # noqa: ARG001
    """Each host has room for one rank of as many threads as it has cores, and for two of one thread."""
    for name, threads in (("across", num_cores(cluster)), ("within", 1)):
        engine = {"num_workers": 2, "zero_stage": 3, "threads_per_rank": threads}
        small = spec_of(name, tiny_encoder, trials=1, steps=20, engine=engine)
        cluster.submit(small | {"search": {"target.learning_rate": {"choice": [1e-3]}}}, store=cluster.store + name)
    for name in ("across", "within"):
        cluster.follow(name)

    (across,) = losses(cluster.store + "across").values()
    (within,) = losses(cluster.store + "within").values()
    assert len(across) == 20
    assert across == pytest.approx(within, rel=0, abs=WITHIN)


def test_the_token_is_in_no_record_log_or_answer(cluster: Cluster, spread: str) -> None:
    token = (cluster.hosts.laptop.home / ".ray" / "auth_token").read_text()
    shown = cluster.xstilts("show", "spread", "0", "--store", cluster.store, "--json").stdout
    files = [path for path in (cluster.head.home / "xstilts-home").rglob("*") if path.is_file()]
    files += [
        path for host in cluster.hosts.hosts for path in host.folder.glob("ray/session_*/logs/*") if path.is_file()
    ]

    assert len(files) > 20
    assert [path for path in files if token.encode() in path.read_bytes()] == []
    assert token not in spread + shown


def test_a_host_that_joins_late_gets_trials(cluster: Cluster, spread: str, tiny_encoder: Path) -> None:  # noqa: ARG001
    late = cluster.hosts.add("late")
    cluster.submit(like_spread("survivor", cluster, tiny_encoder), store=cluster.store + "survivor")
    cluster.wait_until("survivor", lambda: hosts_of(cluster, "survivor") != set(), seconds=SECONDS_TO_START)

    cluster.walk("Add a host while sweeps run", NEW=late.address)
    joined = time.time()

    cluster.wait_until("survivor", lambda: cluster.starts("survivor", late) != [], seconds=SECONDS_TO_START)
    assert cluster.starts("survivor", late)[0] - joined < SECONDS_TO_GET_A_TRIAL


def test_a_sweep_outlives_a_worker_that_is_cut_off_in_a_stage(cluster: Cluster, spread: str) -> None:  # noqa: ARG001
    late = cluster.workers[-1]
    store = cluster.store + "survivor"
    cluster.wait_until("survivor", lambda: cluster.is_in_a_stage(store, late), seconds=SECONDS_TO_START)
    cluster.lose(late)
    cluster.follow("survivor")

    assert len(cluster.answer("cluster", "status")["hosts"]) == 1 + len(cluster.workers)
    with cluster.opened() as record:
        assert max(trial.attempts for trial in record.trials("survivor")) == 2
        assert scores(record, "survivor") == scores(record, "spread")
        made = [stage.key for stage in record.stages("survivor") if not stage.reused]
    assert len(made) == len(set(made))
    assert len(losses(store)) == NUM_TRIALS
    assert losses(store).items() <= losses(cluster.store).items()  # which holds the document's sweep besides


def test_a_sweep_goes_on_at_a_new_head(cluster: Cluster, spread: str, tiny_encoder: Path) -> None:  # noqa: ARG001
    spec, store = like_spread("headless", cluster, tiny_encoder), cluster.store + "headless"
    with cluster.opened() as record:
        unbroken = scores(record, "spread")
    cluster.submit(spec, store=store)
    cluster.wait_until_finished("headless", num_trials=2)
    cluster.lose(cluster.head)
    finished = {path: path.stat().st_mtime_ns for path in Path(store).glob("stages/*/*/manifest.json")}

    cluster.write_file()
    cluster.answer("cluster", "up", "--wait", "180")
    cluster.submit(spec, store=store)
    cluster.follow("headless")

    with cluster.opened() as record:
        assert scores(record, "headless") == unbroken
    assert len(losses(store)) == NUM_TRIALS
    assert losses(store).items() <= losses(cluster.store).items()  # which holds the document's sweep besides
    assert len(finished) >= 4  # a trial has two
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_down_leaves_no_process_on_any_host(cluster: Cluster, joined: list[dict[str, Any]]) -> None:  # noqa: ARG001
    cluster.walk("End")

    left = [line for host in cluster.members for line in host.processes()]
    assert [line for line in left if not line.startswith("sshd")] == []
