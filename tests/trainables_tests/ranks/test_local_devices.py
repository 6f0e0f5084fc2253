"""What `xstilts run` computes on, and what is said where kernel, driver, Ray and torch disagree."""

from __future__ import annotations

import os

import pytest

from trainables.config import EngineConfig
from trainables.errors import ConfigError
from trainables.ranks import local_devices
from trainables.ranks.local_devices import FoundGpus, devices_here, is_rehearsal, refuse_unusable

CORES = len(os.sched_getaffinity(0))


def found(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    """Have this machine's GPUs be these: it has none of its own."""
    gpus = FoundGpus(**{"num_in_kernel": 0, "num_in_torch": 0} | fields)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(local_devices, "find_gpus", lambda: gpus)
    monkeypatch.setattr(local_devices, "gpu_bytes_here", lambda: 24e9)


def test_auto_takes_the_cpu_where_there_is_no_gpu() -> None:
    devices = devices_here(EngineConfig())

    assert (devices.kind, devices.threads) == ("cpu", CORES)


def test_auto_takes_the_gpus_that_torch_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, num_in_kernel=4, num_in_torch=4)

    devices = devices_here(EngineConfig(num_workers=4))

    assert (devices.kind, devices.computes_on, devices.threads) == ("cuda", "cuda", max(1, CORES // 4))


def test_more_ranks_than_gpus_do_not_fall_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, num_in_kernel=1, num_in_torch=1)

    with pytest.raises(ConfigError, match="2 ranks, and 1 GPU with room for 1 is counted"):
        devices_here(EngineConfig(num_workers=2))
    assert devices_here(EngineConfig(num_workers=2, device="cpu")).kind == "cpu"


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_torch_without_cuda_is_told_and_the_cpu_is_not_taken(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    found(monkeypatch, num_in_kernel=8, problem="torch 2.13.0+cpu is built without CUDA")

    with pytest.raises(ConfigError, match=r"shows 8 NVIDIA GPUs, and torch can use 0 \(torch 2\.13\.0\+cpu is built"):
        devices_here(EngineConfig.model_validate({"device": device}))


def test_the_cpu_is_obeyed_whatever_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, num_in_kernel=8, problem="the NVIDIA driver on your system is too old")

    assert devices_here(EngineConfig(device="cpu")).kind == "cpu"


def test_ray_may_not_count_more_than_torch_can_use() -> None:
    gpus = FoundGpus(num_in_kernel=2, num_in_torch=2)

    refuse_unusable(EngineConfig(), counted=2, found=gpus)
    with pytest.raises(ConfigError, match="Ray counts 4 GPUs here, and torch can use 2"):
        refuse_unusable(EngineConfig(), counted=4, found=gpus)


def test_gpus_that_the_user_hides_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    assert local_devices.find_gpus().num_in_kernel == 0


def test_a_rehearsal_is_asked_for_by_a_variable() -> None:
    assert is_rehearsal({local_devices.REHEARSAL: "1"})
    assert not is_rehearsal({})
    with pytest.raises(ConfigError, match="neither 0 nor 1"):
        is_rehearsal({local_devices.REHEARSAL: "yes"})
