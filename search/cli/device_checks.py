"""`xstilts doctor --devices`: one of each thing that training does, on every device, one line each.

Needs neither Ray nor a store nor a record: it runs on a bare machine with GPUs, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from search.cli.findings import Finding, in_child, is_installed

if TYPE_CHECKING:
    from trainables.probes import DeviceFacts, GpuFacts, Patience, Place, Probe, ProbeAnswer

_FACTS = "from trainables.probes.facts import find_facts; print(find_facts().model_dump_json())"
_RAY = "from search.driver.cluster_hosts import this_machine; print(this_machine().there[0].gpus)"
_GUIDE = "docs/how-to/gpus.md"
_GIBIBYTE = 2**30
_NAMES: dict[Probe, str] = {
    "memory": "memory",
    "matrix_product": "matrices",
    "adamw": "AdamW",
    "all_reduce": "all-reduce",
    "zero_0": "ZeRO 0",
    "zero_1": "ZeRO 1",
    "zero_2": "ZeRO 2",
    "zero_3": "ZeRO 3",
}
_LEAST_FREE_BYTES = 2 * _GIBIBYTE
"""Free memory below which hardly anything trains: another process has the device."""


def check_devices(*, patience: Patience | None = None) -> Iterator[Finding]:
    """Yield what was found, each as soon as it is known.

    Args:
        patience: How long a probe may take before it counts as hanging.
    """
    from search.cli.checkup import describe_machine
    from search.cli.miniature_check import check_a_stage
    from trainables.probes import Patience

    yield from describe_machine()
    facts = find_facts_in_child()
    if isinstance(facts, str):
        said = f"torch cannot be asked: {facts}; reinstall it, or the driver ({_GUIDE})"
        yield Finding(what="devices", works=False, said=said)
        return
    yield from _describe(facts)
    yield _check_ray(facts)
    places = _places(facts)
    yield from _check_probes(places, facts=facts, patience=patience or Patience())
    yield check_a_stage(num_ranks=len(places), device=places[0].device)


def find_facts_in_child() -> DeviceFacts | str:
    """Return what torch and the driver say of the devices, or in one line why they do not."""
    from trainables.probes import DeviceFacts

    ended = in_child(_FACTS)
    return ended if isinstance(ended, str) else DeviceFacts.model_validate_json(ended.stdout.splitlines()[-1])


def devices_in_words(facts: DeviceFacts) -> Finding:
    """Return which devices there are; GPUs that torch cannot use do not work."""
    if facts.gpus:
        names = ", ".join(gpu.name for gpu in facts.gpus)
        return Finding(what="devices", works=True, said=f"{names}; torch uses {facts.threads} threads")
    if facts.num_in_kernel:
        said = (
            f"this machine shows {facts.num_in_kernel} NVIDIA GPUs, and torch can use none: {facts.problem}; install "
            f"the driver, or the build of torch that fits it ({_GUIDE})"
        )
        return Finding(what="devices", works=False, said=said)
    said = f"no CUDA device; training runs on the CPU; torch uses {facts.threads} threads"
    return Finding(what="devices", works=True, said=said)


def ray_in_words(counted: float, *, in_torch: int) -> Finding:
    """Return whether Ray counts the GPUs that torch can use.

    Args:
        counted: What Ray counts on this machine.
        in_torch: What torch can use.
    """
    if counted == in_torch:
        return Finding(what="ray", works=True, said=f"counts {counted:g} GPUs, as torch does")
    told = f"counts {counted:g} GPUs, and torch can use {in_torch}"
    if counted > in_torch:
        said = f"{told}: ranks that Ray places on the others fail; repair what is said above, or start Ray with"
    else:
        said = f"{told}: a search leaves the others idle; look at CUDA_VISIBLE_DEVICES, or start Ray with"
    return Finding(what="ray", works=False, said=f"{said} `--num-gpus={in_torch}`")


def _check_ray(facts: DeviceFacts) -> Finding:
    if not is_installed("ray"):
        return Finding(what="ray", works=True, said="not installed: `xstilts run` needs none, a search does")
    ended = in_child(_RAY)
    if isinstance(ended, str):
        return Finding(what="ray", works=False, said=f"cannot count GPUs: {ended}; reinstall it (constraints.txt)")
    return ray_in_words(float(ended.stdout.splitlines()[-1]), in_torch=len(facts.gpus))


def _describe(facts: DeviceFacts) -> Iterator[Finding]:
    yield devices_in_words(facts)
    build = f"built with CUDA {facts.cuda}" if facts.cuda else "built without CUDA"
    nccl = f", NCCL {facts.nccl}, cuDNN {facts.cudnn}" if facts.nccl else ""
    driver = f"driver {facts.driver}, up to CUDA {facts.driver_cuda}" if facts.driver else "no NVIDIA driver answers"
    yield Finding(what="driver", works=True, said=f"{driver}; torch {facts.torch} {build}{nccl}")
    for index, gpu in enumerate(facts.gpus):
        yield gpu_in_words(gpu, name=f"cuda:{index}", facts=facts)


def gpu_in_words(gpu: GpuFacts, *, name: str, facts: DeviceFacts) -> Finding:
    """Return what a GPU is, and what of it does not work.

    Args:
        gpu: The device.
        name: Its name in torch.
        facts: What it is driven by.
    """
    major, minor = gpu.capability
    has = f"{gpu.name}, {gpu.free_bytes / _GIBIBYTE:.1f} of {gpu.total_bytes / _GIBIBYTE:.1f} GiB free"
    said = f"{has}, compute capability {major}.{minor}"
    numbers = {"free_bytes": float(gpu.free_bytes), "total_bytes": float(gpu.total_bytes)}
    if not gpu.is_built_for:
        known = " ".join(facts.architectures)
        said += f": torch is built for {known}; install the build of a CUDA that knows this GPU ({_GUIDE})"
        return Finding(what=name, works=False, said=said, numbers=numbers)
    if gpu.free_bytes < min(_LEAST_FREE_BYTES, gpu.total_bytes // 2):
        said += ": another process has its memory; `nvidia-smi` lists it"
        return Finding(what=name, works=False, said=said, numbers=numbers)
    if not gpu.has_bfloat16:
        said += ", multiplies no bfloat16 itself: take `engine.precision: float32`"
    return Finding(what=name, works=True, said=said, numbers=numbers)


def _places(facts: DeviceFacts) -> list[Place]:
    """Return where ranks are tried: one on each GPU, or two on the CPU where it has the cores."""
    from trainables.probes import Place

    if facts.gpus:
        return [Place(device="cuda", index=index) for index in range(len(facts.gpus))]
    return [Place(device="cpu", index=index) for index in range(min(2, _num_cores()))]


def _check_probes(places: list[Place], *, facts: DeviceFacts, patience: Patience) -> Iterator[Finding]:
    from trainables.probes import ALONE, TOGETHER, probing

    threads = max(1, _num_cores() // len(places))
    for place in places if facts.gpus else places[:1]:
        for answer in probing([place], ALONE, threads=threads, patience=patience):
            yield probe_in_words(answer, where=place.name)
    together = TOGETHER if len(places) > 1 else TOGETHER[:1]
    for answer in probing(places, together, threads=threads, patience=patience):
        yield probe_in_words(answer, where="all" if len(places) > 1 else places[0].name)


def probe_in_words(answer: ProbeAnswer, *, where: str) -> Finding:
    """Return what came of a probe, with what to do where it failed.

    Args:
        answer: What the device answered.
        where: The device, or `all`.
    """
    from trainables.probes.advice import advice

    what = f"{where} {_NAMES[answer.probe]}"
    if answer.error is None:
        return Finding(what=what, works=True, said=answer.said or "works", numbers=answer.numbers)
    return Finding(what=what, works=False, said=f"{answer.error}; {advice(answer.error)}")


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))
