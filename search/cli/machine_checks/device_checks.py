"""`xstilts doctor --devices`: runs each operation that training needs on every device, and prints a line for each.

It needs no Ray, no store and no record, so it also runs on a new machine with GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from search.cli.machine_checks.findings import Finding, in_child, is_installed
from search.cli.machine_checks.machine_description import describe_machine
from trainables.number_words import number_of

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
"""With less free memory than this a GPU is a failed check: another process uses it."""


def check_devices(*, patience: Patience | None = None) -> Iterator[Finding]:
    """Yield the result of each check as soon as it is known.

    Args:
        patience: Time limits of a probe; a probe that takes longer counts as hanging.
    """
    from search.cli.machine_checks.miniature_check import check_short_trial
    from trainables.probes import Patience

    yield from describe_machine()
    facts = find_facts_in_child()
    if isinstance(facts, str):
        problem = f"torch fails: {facts}; reinstall it, or the driver ({_GUIDE})"
        yield Finding(what="devices", works=False, said=problem)
        return
    yield from _describe_facts(facts)
    yield _check_ray(facts)
    places = _places(facts)
    yield from _check_probes(places, facts=facts, patience=patience or Patience())
    yield check_short_trial(num_ranks=len(places), device=places[0].device)


def find_facts_in_child() -> DeviceFacts | str:
    """Return what torch and the driver report about the devices, or in one line why they fail."""
    from trainables.probes import DeviceFacts

    ended = in_child(_FACTS)
    return ended if isinstance(ended, str) else DeviceFacts.model_validate_json(ended.stdout.splitlines()[-1])


def describe_devices(facts: DeviceFacts) -> Finding:
    """Return which devices there are; GPUs that torch cannot use are a failed check."""
    if facts.gpus:
        names = ", ".join(gpu.name for gpu in facts.gpus)
        return Finding(what="devices", works=True, said=f"{names}; torch uses {facts.threads} threads")
    if facts.num_in_kernel:
        problem = (
            f"this machine has {facts.num_in_kernel} NVIDIA GPUs, and torch can use none: {facts.problem}; install "
            f"the driver, or the build of torch that fits it ({_GUIDE})"
        )
        return Finding(what="devices", works=False, said=problem)
    text = f"no CUDA device; training runs on the CPU; torch uses {facts.threads} threads"
    return Finding(what="devices", works=True, said=text)


def describe_ray(num_in_ray: float, *, num_in_torch: int) -> Finding:
    """Return whether Ray counts as many GPUs as torch can use.

    Args:
        num_in_ray: Number of GPUs that Ray counts on this machine.
        num_in_torch: Number of GPUs that torch can use.
    """
    if num_in_ray == num_in_torch:
        return Finding(what="ray", works=True, said=f"counts {number_of(num_in_ray, 'GPU', form='g')}, as torch does")
    counts = f"counts {number_of(num_in_ray, 'GPU', form='g')}, and torch can use {num_in_torch}"
    if num_in_ray > num_in_torch:
        problem = f"{counts}: ranks that Ray starts on the other GPUs fail; repair the FAIL lines above"
    else:
        problem = f"{counts}: a search leaves the other GPUs idle; check CUDA_VISIBLE_DEVICES"
    return Finding(what="ray", works=False, said=f"{problem}, or start Ray with `--num-gpus={num_in_torch}`")


def _check_ray(facts: DeviceFacts) -> Finding:
    if not is_installed("ray"):
        return Finding(what="ray", works=True, said="not installed: a search needs it, `xstilts run` does not")
    ended = in_child(_RAY)
    if isinstance(ended, str):
        return Finding(what="ray", works=False, said=f"cannot count GPUs: {ended}; reinstall it (constraints.txt)")
    return describe_ray(float(ended.stdout.splitlines()[-1]), num_in_torch=len(facts.gpus))


def _describe_facts(facts: DeviceFacts) -> Iterator[Finding]:
    yield describe_devices(facts)
    build = f"built with CUDA {facts.cuda}" if facts.cuda else "built without CUDA"
    nccl = f", NCCL {facts.nccl}, cuDNN {facts.cudnn}" if facts.nccl else ""
    driver = f"driver {facts.driver}, up to CUDA {facts.driver_cuda}" if facts.driver else "no NVIDIA driver found"
    yield Finding(what="driver", works=True, said=f"{driver}; torch {facts.torch} {build}{nccl}")
    for index, gpu in enumerate(facts.gpus):
        yield describe_gpu(gpu, name=f"cuda:{index}", facts=facts)


def describe_gpu(gpu: GpuFacts, *, name: str, facts: DeviceFacts) -> Finding:
    """Return a GPU's name, memory and compute capability, and whether training can use it.

    Args:
        gpu: The device.
        name: Its name in torch.
        facts: The build of torch, and the driver.
    """
    major, minor = gpu.capability
    memory = f"{gpu.free_bytes / _GIBIBYTE:.1f} of {gpu.total_bytes / _GIBIBYTE:.1f} GiB free"
    text = f"{gpu.name}, {memory}, compute capability {major}.{minor}"
    numbers = {"free_bytes": float(gpu.free_bytes), "total_bytes": float(gpu.total_bytes)}
    if not gpu.is_built_for:
        known = " ".join(facts.architectures)
        text += f": torch is built for {known}; install a build of torch for a CUDA that supports this GPU ({_GUIDE})"
        return Finding(what=name, works=False, said=text, numbers=numbers)
    if gpu.free_bytes < min(_LEAST_FREE_BYTES, gpu.total_bytes // 2):
        text += ": another process uses its memory; `nvidia-smi` lists it"
        return Finding(what=name, works=False, said=text, numbers=numbers)
    if not gpu.has_bfloat16:
        text += ", no bfloat16 in hardware: set `engine.precision: float32`"
    return Finding(what=name, works=True, said=text, numbers=numbers)


def _places(facts: DeviceFacts) -> list[Place]:
    """Return where probes run: one rank on each GPU, or two ranks on the CPU if it has two cores."""
    from trainables.probes import Place

    if facts.gpus:
        return [Place(device="cuda", index=index) for index in range(len(facts.gpus))]
    return [Place(device="cpu", index=index) for index in range(min(2, _num_cores()))]


def _check_probes(places: list[Place], *, facts: DeviceFacts, patience: Patience) -> Iterator[Finding]:
    from trainables.probes import ALONE, TOGETHER, probing

    threads = max(1, _num_cores() // len(places))
    for place in places if facts.gpus else places[:1]:
        for answer in probing([place], ALONE, threads=threads, patience=patience):
            yield describe_probe(answer, where=place.name)
    together = TOGETHER if len(places) > 1 else TOGETHER[:1]
    for answer in probing(places, together, threads=threads, patience=patience):
        yield describe_probe(answer, where="all" if len(places) > 1 else places[0].name)


def describe_probe(answer: ProbeAnswer, *, where: str) -> Finding:
    """Return the result of a probe, with the next step where it failed.

    Args:
        answer: Result of the device.
        where: The device, or `all`.
    """
    from trainables.probes.advice import advice

    what = f"{where} {_NAMES[answer.probe]}"
    if answer.error is None:
        return Finding(what=what, works=True, said=answer.text or "works", numbers=answer.numbers)
    return Finding(what=what, works=False, said=f"{answer.error}; {advice(answer.error)}")


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))
