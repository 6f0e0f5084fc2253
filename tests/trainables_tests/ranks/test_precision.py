"""`engine.precision: auto` is bfloat16 on devices that have it in hardware; what the user writes is obeyed."""

from __future__ import annotations

import pytest
import torch

from trainables.config import EngineConfig
from trainables.ranks import precision
from trainables.ranks.devices import HostResources, RankDevices, settle_devices
from trainables.ranks.local_devices import FoundGpus
from trainables.ranks.precision import gpus_have_bfloat16, precision_here, scoring_here, settled_precision

ON_GPU = RankDevices(kind="cuda", computes_on="cuda", gpus_per_rank=1.0)
ON_CPU = RankDevices(kind="cpu", computes_on="cpu")


def host(*types: str, gpus: float = 8.0) -> HostResources:
    """Return a host with GPUs."""
    return HostResources(cpus=64.0, gpus=gpus, accelerator_types=frozenset(types))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A100", "bfloat16"),
        ("A10G", "bfloat16"),
        ("L4", "bfloat16"),
        ("L40S", "bfloat16"),
        ("H200", "bfloat16"),
        ("GB300", "bfloat16"),
        ("RTX-PRO-6000", "bfloat16"),
        ("GeForce-RTX-5090", "bfloat16"),
        ("GeForce-RTX-3090", "bfloat16"),
        ("AMD-Instinct-MI300X-OAM", "bfloat16"),
        ("V100", "float32"),
        ("P100", "float32"),
        ("P40", "float32"),
        ("T4", "float32"),
        ("K80", "float32"),
        ("M60", "float32"),
        ("GeForce-RTX-2080-Ti", "float32"),
        ("GeForce-GTX-1080-Ti", "float32"),
        ("Quadro-RTX-8000", "float32"),
        ("TITAN-RTX", "float32"),
    ],
)
def test_it_is_bfloat16_on_gpus_whose_cores_have_it(name: str, expected: str) -> None:
    assert settled_precision(EngineConfig(), devices=ON_GPU, hosts=[host(name)]) == expected


def test_the_oldest_gpu_that_a_trial_may_get_decides() -> None:
    mixed = [host("H100"), host("V100"), host(gpus=0.0)]
    only = settle_devices(EngineConfig(accelerator_type="H100"), hosts=mixed)

    assert settled_precision(EngineConfig(), devices=ON_GPU, hosts=mixed) == "float32"
    assert settled_precision(EngineConfig(accelerator_type="H100"), devices=only, hosts=mixed) == "bfloat16"
    assert settled_precision(EngineConfig(), devices=ON_GPU, hosts=[host()]) == "bfloat16"  # Ray knows no name


def test_cpus_of_a_cluster_keep_float32_and_what_the_user_writes_is_obeyed() -> None:
    assert settled_precision(EngineConfig(), devices=ON_CPU, hosts=[host("H100")]) == "float32"
    assert settled_precision(EngineConfig(precision="bfloat16"), devices=ON_CPU, hosts=[]) == "bfloat16"
    assert settled_precision(EngineConfig(precision="float32"), devices=ON_GPU, hosts=[host("H100")]) == "float32"


@pytest.mark.parametrize(
    ("capabilities", "expected"), [([(9, 0), (8, 0)], True), ([(9, 0), (7, 5)], False), ([], False)]
)
def test_on_this_machine_torch_is_asked_for_each_gpu(
    capabilities: list[tuple[int, int]], *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    num = len(capabilities)
    monkeypatch.setattr(precision, "find_gpus", lambda: FoundGpus(num_in_kernel=num, num_in_torch=num))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capabilities[device.index])

    assert gpus_have_bfloat16() == expected
    assert precision_here(EngineConfig(), devices=ON_GPU) == ("bfloat16" if expected else "float32")


@pytest.mark.parametrize(("has_units", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_this_machines_processor_decides_where_it_computes(
    *, has_units: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: has_units)
    exact, short = EngineConfig(precision="float32"), EngineConfig(precision="bfloat16")

    assert precision_here(EngineConfig(), devices=ON_CPU) == expected
    assert precision_here(exact, devices=ON_CPU) == "float32"
    assert precision_here(short, devices=ON_CPU) == "bfloat16"
    assert scoring_here(EngineConfig(), precision="bfloat16") == expected
    assert scoring_here(EngineConfig(), precision="float32") == "float32"
    assert scoring_here(EngineConfig(evaluation_precision="float32"), precision="bfloat16") == "float32"


def test_what_nobody_has_settled_is_float32_and_has_its_keys() -> None:
    assert EngineConfig().arithmetic == "float32"
    assert EngineConfig().deciding() == EngineConfig(precision="float32").deciding()
