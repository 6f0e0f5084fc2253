"""What doctor says of devices, for machines that cannot be had here; probes of real ones are in tests/devices."""

from __future__ import annotations

import subprocess
import sys

import pytest

from search.cli.machine_checks import device_checks
from search.cli.machine_checks.device_checks import (
    check_devices,
    describe_devices,
    describe_gpu,
    describe_probe,
    describe_ray,
)
from search.cli.machine_checks.findings import versions_of
from trainables.probes import DeviceFacts, GpuFacts, ProbeAnswer
from trainables.probes.advice import advice
from trainables.probes.facts import is_built_for

CUDA_13 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
CUDA_12 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
GIBIBYTE = 2**30


def gpu(**fields: object) -> GpuFacts:
    known: dict[str, object] = {
        "name": "NVIDIA H200",
        "capability": (9, 0),
        "total_bytes": 140 * GIBIBYTE,
        "free_bytes": 139 * GIBIBYTE,
        "is_built_for": True,
        "has_bfloat16": True,
    }
    return GpuFacts.model_validate(known | fields)


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((9, 0), CUDA_13, True),  # H200: its own machine code
        ((8, 9), CUDA_13, True),  # L4: that of 8.6
        ((8, 7), CUDA_13, True),
        ((7, 0), CUDA_13, False),  # V100: 7.5 is later
        ((7, 5), CUDA_13, True),  # T4
        ((6, 1), CUDA_13, False),  # GTX 1080
        ((7, 0), CUDA_12, True),
        ((12, 0), CUDA_12, False),  # RTX 5090 with an old build
        ((12, 1), CUDA_13, True),
        ((13, 0), CUDA_13, True),  # later than all: the driver compiles compute_120
        ((12, 0), (*CUDA_12, "compute_90"), True),
        ((9, 0), ("sm_90a",), True),
        ((9, 2), ("sm_90a",), False),  # an `a` variant runs on its own device alone
        ((10, 3), ("sm_100f", "gfx942"), True),  # an `f` variant runs on its family
        ((12, 0), ("compute_100f",), False),
        ((9, 0), (), False),
    ],
)
def test_a_build_of_torch_runs_on_what_it_has_code_for(
    capability: tuple[int, int], architectures: tuple[str, ...], *, runs: bool
) -> None:
    assert is_built_for(capability, architectures=architectures) == runs


@pytest.mark.parametrize(
    ("error", "what"),
    [
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "has no code for"),
        ("RuntimeError: The NVIDIA driver on your system is too old (found version 12040).", "update the driver"),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "GPU is faulty"),
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB.", "`nvidia-smi` lists them"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "`nvidia-smi`"),
        (
            "DistBackendError: NCCL error in: NCCLUtils.hpp: system error: No space left on device",
            "--shm-size",
        ),
        ("AcceleratorError: CUDA error: CUDA-capable device(s) is/are busy or unavailable", "to itself"),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", "try again"),
        ("RuntimeError: CUDA error: unspecified launch failure", "try again"),
        ("DistBackendError: NCCL error in: ProcessGroupNCCL.cpp, unhandled cuda error", "NCCL_DEBUG=INFO"),
        ("RuntimeError: [gloo/transport/tcp/pair.cc] Connection closed by peer [127.0.0.1]", "NCCL_SOCKET_IFNAME"),
        ("no answer of cuda:0 in 120 s", "dmesg"),
        ("its process ended by SIGSEGV: Fatal Python error: Segmentation fault", "do not fit"),
        ("its process ended by SIGKILL", "lack of host memory"),
        ("ModuleNotFoundError: No module named 'deepspeed'", "constraints.txt"),
        ("ValueError: something that nobody has seen", "lists what to try"),
    ],
)
def test_every_error_has_a_next_step(error: str, what: str) -> None:
    assert what in advice(error)
    assert "docs/how-to/gpus.md" in advice(error)


def test_a_gpu_is_named_with_its_memory_and_capability() -> None:
    finding = describe_gpu(gpu(), name="cuda:0", facts=DeviceFacts(torch="2.13.0+cu130"))

    assert finding.works
    assert finding.said == "NVIDIA H200, 139.0 of 140.0 GiB free, compute capability 9.0"


def test_a_gpu_that_torch_has_no_code_for_does_not_work() -> None:
    facts = DeviceFacts(torch="2.13.0+cu130", architectures=CUDA_13)

    finding = describe_gpu(gpu(name="V100", capability=(7, 0), is_built_for=False), name="cuda:1", facts=facts)

    assert not finding.works
    assert "torch is built for sm_75 sm_80" in finding.said


def test_a_gpu_whose_memory_is_taken_does_not_work() -> None:
    finding = describe_gpu(gpu(free_bytes=GIBIBYTE), name="cuda:0", facts=DeviceFacts(torch="2"))

    assert not finding.works
    assert "`nvidia-smi` lists it" in finding.said


def test_a_gpu_without_bfloat16_works_and_is_told() -> None:
    finding = describe_gpu(gpu(has_bfloat16=False), name="cuda:0", facts=DeviceFacts(torch="2"))

    assert finding.works
    assert "engine.precision: float32" in finding.said


def test_gpus_that_torch_cannot_use_do_not_work() -> None:
    facts = DeviceFacts(torch="2.13.0+cpu", num_in_kernel=8, problem="torch 2.13.0+cpu is built without CUDA")

    finding = describe_devices(facts)

    assert not finding.works
    assert "has 8 NVIDIA GPUs, and torch can use none: torch 2.13.0+cpu is built without CUDA" in finding.said


def test_a_machine_without_gpus_works() -> None:
    assert describe_devices(DeviceFacts(torch="2.13.0+cpu", problem="no NVIDIA driver")).works


@pytest.mark.parametrize(
    ("counted", "in_torch", "said"),
    [
        (8.0, 8, "counts 8 GPUs, as torch does"),
        (0.0, 0, "counts 0 GPUs, as torch does"),
        (8.0, 1, "torch can use 1: ranks that Ray starts on the other GPUs fail"),
        (0.0, 2, "torch can use 2: a search leaves the other GPUs idle"),
    ],
)
def test_rays_count_is_held_against_torchs(counted: float, in_torch: int, said: str) -> None:
    finding = describe_ray(counted, num_in_torch=in_torch)

    assert finding.works == (counted == in_torch)
    assert said in finding.said
    assert finding.works or f"--num-gpus={in_torch}" in finding.said


def test_a_probe_that_failed_is_a_line_with_the_next_step() -> None:
    answer = ProbeAnswer(probe="zero_3", error="its process ended by SIGSEGV")

    finding = describe_probe(answer, where="cuda:3")

    assert (finding.what, finding.works) == ("cuda:3 ZeRO 3", False)
    assert finding.said.startswith("its process ended by SIGSEGV; a library crashed")


def test_a_package_that_is_missing_is_said_to_be() -> None:
    assert versions_of(("no-such-package-of-ours",)) == "no-such-package-of-ours not installed"


def test_who_asks_devices_imports_no_torch_itself() -> None:
    asking = "import sys, search.cli.machine_checks.device_checks, trainables.probes"
    code = f"{asking}; assert not {{'torch', 'ray'}} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_driver_that_takes_torch_down_is_a_line_and_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_checks, "_FACTS", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    last = list(check_devices())[-1]

    assert (last.what, last.works) == ("devices", False)
    assert "SIGSEGV" in last.said
