"""What ranks compute on, and how many trials that leaves room for: each row was worked out by hand."""

from __future__ import annotations

import pytest

from trainables.config import EngineConfig
from trainables.errors import ConfigError
from trainables.ranks.devices import HostResources, RankDevices, settle_devices, threads_on, trials_at_a_time


def host(cpus: float, gpus: float = 0.0, *, count: int = 1, kind: str | None = None) -> HostResources:
    types = frozenset({kind} if kind else ())
    return HostResources(cpus=cpus, gpus=gpus, count=count, accelerator_types=types)


HEAD = host(8)
CLUSTERS: dict[str, tuple[list[HostResources], dict[str, object], str, int]] = {
    # name: hosts, engine, kind, trials at a time
    "a laptop": ([host(2)], {}, "cpu", 2),
    "a laptop, two ranks": ([host(8)], {"num_workers": 2}, "cpu", 4),
    "a laptop, threads": ([host(8)], {"threads_per_rank": 3}, "cpu", 2),
    "one GPU": ([host(16, 1)], {}, "cuda", 1),
    "eight GPUs": ([host(96, 8)], {}, "cuda", 8),
    "eight GPUs, two ranks": ([host(96, 8)], {"num_workers": 2}, "cuda", 4),
    "eight GPUs, three ranks": ([host(96, 8)], {"num_workers": 3}, "cuda", 2),
    "eight GPUs, the CPU asked for": ([host(96, 8)], {"device": "cpu"}, "cpu", 96),
    "fewer cores than GPUs": ([host(2, 8)], {}, "cuda", 8),
    "fewer cores than GPUs, whole threads asked for": ([host(2, 8)], {"threads_per_rank": 1}, "cuda", 2),
    "a head without a GPU": ([HEAD, host(32, 4)], {}, "cuda", 4),
    "two hosts of three GPUs, two ranks stay together": ([host(32, 3), host(32, 3)], {"num_workers": 2}, "cuda", 2),
    "64 GPUs": ([HEAD, host(96, 8, count=8)], {}, "cuda", 64),
    "64 GPUs, eight ranks": ([HEAD, host(96, 8, count=8)], {"num_workers": 8}, "cuda", 8),
    "more ranks than any host has": ([HEAD, host(32, 4, count=4)], {"num_workers": 8}, "cuda", 2),
    "more ranks than any host has, some left": ([host(32, 4, count=3)], {"num_workers": 8}, "cuda", 1),
    "half a GPU": ([host(16, 4)], {"gpus_per_worker": 0.5}, "cuda", 8),
    "a quarter of a GPU": ([host(2, 4)], {"gpus_per_worker": 0.25}, "cuda", 16),
    "a tenth of a GPU": ([host(16, 1)], {"gpus_per_worker": 0.1}, "cuda", 10),
    "a third and a bit: two in a GPU": ([host(16, 2)], {"gpus_per_worker": 0.4}, "cuda", 4),
    "most of a GPU": ([host(16, 2)], {"gpus_per_worker": 0.8}, "cuda", 2),
    "half a GPU, two ranks": ([host(16, 3)], {"gpus_per_worker": 0.5, "num_workers": 2}, "cuda", 3),
    "half a GPU, two ranks, hosts of one": (
        [host(8, 1), host(8, 1)],
        {"gpus_per_worker": 0.5, "num_workers": 2},
        "cuda",
        2,
    ),
    "one kind of two": (
        [host(32, 4, kind="A100"), host(32, 8, kind="T4")],
        {"accelerator_type": "A100"},
        "cuda",
        4,
    ),
    "unlike hosts": ([host(64, 8), host(8, 8)], {}, "cuda", 16),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_has_room_for_so_many_trials(name: str) -> None:
    hosts, engine, kind, trials = CLUSTERS[name]
    config = EngineConfig.model_validate(engine)

    devices = settle_devices(config, hosts=hosts)

    assert devices.kind == kind
    assert trials_at_a_time(hosts, devices=devices, num_ranks=config.num_workers) == trials


REFUSED: dict[str, tuple[list[HostResources], dict[str, object], list[str]]] = {
    "more ranks than GPUs": ([host(96, 2)], {"num_workers": 4}, ["4 ranks", "2 GPUs", "device: cpu"]),
    "cuda without a GPU": ([host(96)], {"device": "cuda"}, ["1 rank,", "0 GPUs"]),
    "more shares than GPUs": ([host(9, 1)], {"num_workers": 3, "gpus_per_worker": 0.5}, ["3 ranks", "room for 2"]),
    "another type": ([host(9, 1, kind="A100")], {"accelerator_type": "A10"}, ["'A10'", "A100", "did you mean"]),
    "no type known": ([host(9, 1)], {"accelerator_type": "A10"}, ["no type"]),
    "too many threads": ([host(8, 4)], {"threads_per_rank": 9}, ["threads_per_rank", "9", "room for 0"]),
    "a share of nothing": ([host(8)], {"gpus_per_worker": 0.5}, ["gpus_per_worker", "no host has a GPU"]),
    "a share on the CPU": ([host(8, 1)], {"gpus_per_worker": 0.5, "device": "cpu"}, ["gpus_per_worker", "cpu"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_never_be_placed_is_refused_with_both_numbers(name: str) -> None:
    hosts, engine, words = REFUSED[name]

    with pytest.raises(ConfigError) as caught:
        settle_devices(EngineConfig.model_validate(engine), hosts=hosts)

    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    "name", ["one GPU", "fewer cores than GPUs", "a head without a GPU", "unlike hosts", "more ranks than any host has"]
)
def test_auto_and_cuda_are_the_same_where_there_are_gpus(name: str) -> None:
    hosts, engine, _, _ = CLUSTERS[name]
    asked = [EngineConfig.model_validate({**engine, "device": device}) for device in ("auto", "cuda")]

    assert len({settle_devices(one, hosts=hosts) for one in asked}) == 1


def test_auto_asks_for_a_gpu_that_the_autoscaler_could_add() -> None:
    devices = settle_devices(EngineConfig(), hosts=[HEAD], may_join=[host(16, 1, count=8)])

    assert devices.kind == "cuda"
    assert trials_at_a_time([HEAD], devices=devices, num_ranks=1) == 0


def test_a_gpu_that_may_yet_come_is_waited_for() -> None:
    assert settle_devices(EngineConfig(device="cuda", num_workers=4), hosts=[HEAD], may_grow=True).kind == "cuda"
    assert settle_devices(EngineConfig(), hosts=[HEAD], may_grow=True).kind == "cpu"


def test_ranks_are_on_one_host_where_any_has_room_for_them() -> None:
    hosts = [host(32, 4), host(32, 8)]

    assert settle_devices(EngineConfig(num_workers=8), hosts=hosts).on_one_host
    assert not settle_devices(EngineConfig(num_workers=9), hosts=hosts).on_one_host


@pytest.mark.parametrize(
    ("place", "engine", "threads"),
    [
        (host(96, 8), {}, 12),
        (host(96, 8), {"gpus_per_worker": 0.5}, 6),
        (host(4, 8), {}, 1),
        (host(96, 8), {"threads_per_rank": 3}, 3),
    ],
)
def test_a_rank_has_its_share_of_its_hosts_cores(place: HostResources, engine: dict[str, object], threads: int) -> None:
    devices = settle_devices(EngineConfig.model_validate(engine), hosts=[place])

    assert threads_on(place, devices=devices) == threads


def test_a_rehearsal_counts_gpus_and_computes_on_the_cpu() -> None:
    devices = settle_devices(EngineConfig(), hosts=[host(8, 2)], rehearses=True)

    assert (devices.kind, devices.computes_on) == ("cuda", "cpu")


@pytest.mark.parametrize(("share", "ranks"), [(1.0, 1), (0.8, 1), (0.5, 2), (0.4, 2), (0.25, 4), (0.1, 10)])
def test_a_share_says_how_many_ranks_have_a_gpu_together(share: float, ranks: int) -> None:
    assert RankDevices(kind="cuda", computes_on="cuda", gpus_per_rank=share).ranks_per_gpu == ranks
