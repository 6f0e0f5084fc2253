"""Probes of devices, asked of real processes, and of processes that crash, hang or compute wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.devices.conftest import NUM_GPUS, ON_CUDA
from trainables.probes import ALONE, TOGETHER, Patience, Place, Probe, ProbeAnswer, probing
from trainables.probes.work import loss_after_plain_step

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BROKEN = Path(__file__).parent / "broken_devices"
HERE = Place(device="cuda" if ON_CUDA else "cpu")
PATIENCE = Patience(first_seconds=240, seconds=120)
QUICK: tuple[Probe, ...] = ("memory", "adamw", "matrix_product")


def ask(*places: Place, probes: tuple[Probe, ...], patience: Patience = PATIENCE) -> list[ProbeAnswer]:
    return list(probing(places, probes, threads=1, patience=patience))


def broken(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{BROKEN}:{ROOT}")
    monkeypatch.setenv("XSTILTS_BROKEN", how)


def test_a_sound_device_answers_every_probe() -> None:
    answers = ask(HERE, probes=ALONE)

    assert [answer.probe for answer in answers] == list(ALONE)
    assert [answer.error for answer in answers] == [None] * len(ALONE)
    assert answers[1].numbers["tflops_bfloat16"] > 0
    losses = [answer.numbers["loss_float32"] for answer in answers if answer.probe.startswith("zero")]
    assert losses == [pytest.approx(loss_after_plain_step(), rel=1e-4)] * 4


def test_ranks_sum_a_tensor_and_train_at_every_stage_together() -> None:
    num = max(1, NUM_GPUS) if ON_CUDA else 2

    answers = ask(*(Place(device=HERE.device, index=index) for index in range(num)), probes=TOGETHER)

    assert [answer.error for answer in answers] == [None] * len(TOGETHER)
    assert f"{num} rank" in str(answers[0].text)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("segfault", "its process ended by SIGSEGV"),
        ("ecc", "RuntimeError: CUDA error: uncorrectable ECC error encountered"),
    ],
)
def test_a_probe_that_breaks_is_one_answer_and_the_others_are_asked(
    how: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, f"adamw={how}")

    answers = ask(HERE, probes=QUICK)

    assert [(answer.probe, answer.error is None) for answer in answers] == [
        ("memory", True),
        ("adamw", False),
        ("matrix_product", True),
    ]
    assert str(answers[1].error).startswith(said)
    assert "\n" not in str(answers[1].error)


def test_a_probe_that_hangs_is_ended_and_those_after_it_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, "adamw=hang")

    answers = ask(HERE, probes=QUICK, patience=Patience(first_seconds=240, seconds=5))

    assert [answer.error for answer in answers] == [
        None,
        f"no answer of {HERE.name} in 5 s",
        "not tried: the probe before it had no answer",
    ]


@pytest.mark.skipif(ON_CUDA and NUM_GPUS < 2, reason="needs two GPUs, or the CPU")
def test_of_several_ranks_the_one_that_breaks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, "all_reduce@1=memory")
    places = [Place(device=HERE.device, index=index) for index in range(2)]

    (answer,) = ask(*places, probes=TOGETHER[:1])

    assert str(answer.error) == f"{places[1].name}: RuntimeError: CUDA out of memory. Tried to allocate 1024.00 MiB."


def test_doctor_tries_every_device_on_a_machine_without_ray(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": f"{BROKEN}:{ROOT}",
        "XSTILTS_WITHOUT_RAY": "1",
        "XSTILTS_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "1",
    }
    code = "from search.cli.main import main; main()"

    ended = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--devices", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    found = {finding["what"]: finding for finding in json.loads(ended.stdout)["findings"]}
    assert (ended.returncode, [what for what, finding in found.items() if not finding["works"]]) == (0, [])
    assert "not installed" in found["ray"]["said"]
    assert {f"{HERE.name} ZeRO {stage}" for stage in range(4)} <= set(found)
    assert found["miniature"]["said"].startswith("30 steps on")
    assert not (tmp_path / "home").exists()
