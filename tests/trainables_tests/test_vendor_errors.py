"""What the errors of CUDA, its libraries, NCCL, gloo and torch.distributed are taken for, by their real texts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.trainables_tests.vendor_texts import HINT, TEXTS
from trainables.errors import BugError, DeviceFaultError, MemoryExhaustedError, PeerLostError, RunError
from trainables.failures import FailureKind, failure_kind, vendor_cause_of
from trainables.ranks.rank_failure import RankFailure, unexpected_failure
from trainables.ranks.rank_place import RankPlace
from trainables.ranks.rank_process import RankAnswer
from trainables.vendor_errors import TABLE, FailureCause

KINDS: dict[FailureCause, FailureKind] = {
    "peer_lost": "lost",
    "out_of_memory": "out_of_memory",
    "device_fault": "device_fault",
    "device_doubt": "device_fault",
    "suspect": "bug",
    "bug": "bug",
}
PLACE = RankPlace(host="b", node="b1", gpu="3")


def name(case: tuple[FailureCause | None, type[Exception], str]) -> str:
    """Return a short name of a case."""
    return f"{case[0]}: {case[2][:60]}"


def errors_of(error: Exception) -> RunError:
    """Return what a trial's process raises when a rank answers that it met an error."""
    raised = unexpected_failure(error).to_error(PLACE)
    assert isinstance(raised, RunError)
    return raised


@pytest.mark.parametrize("case", TEXTS, ids=name)
def test_a_text_is_taken_for_what_its_source_says(case: tuple[FailureCause | None, type[Exception], str]) -> None:
    means, error_type, text = case

    assert vendor_cause_of(error_type(text)) == means


@pytest.mark.parametrize("case", [case for case in TEXTS if case[0]], ids=name)
def test_a_ranks_answer_carries_the_class_to_the_trial(case: tuple[FailureCause, type[Exception], str]) -> None:
    means, error_type, text = case

    error = errors_of(error_type(text))

    assert failure_kind(error) == KINDS[means]
    assert HINT.splitlines()[2] not in str(error)


def test_what_a_rank_sends_back_is_raised_where_its_answer_is_read() -> None:
    failure = unexpected_failure(RuntimeError("CUDA error: uncorrectable ECC error encountered"))
    sent = RankAnswer(place=PLACE, failure=failure).model_dump_json()

    with pytest.raises(DeviceFaultError, match="GPU 3 of host b failed") as caught:
        RankAnswer.model_validate_json(sent).unwrap()
    assert (caught.value.place, caught.value.is_certain) == (PLACE, True)


def test_the_table_has_at_least_25_texts_of_each_sort_of_library() -> None:
    assert len(TEXTS) >= 60
    sources = {"cudart", "xid", "cublas", "cudnn", "nccl", "c10d", "gloo", "onednn", "torch"}
    assert {row.source for row in TABLE} == sources


def test_a_device_fault_names_host_and_gpu_and_a_bug_may_be_tried_once_more() -> None:
    fault = errors_of(RuntimeError("CUDA error: uncorrectable ECC error encountered"))
    doubt = errors_of(RuntimeError("CUDA error: unspecified launch failure"))
    suspect = errors_of(RuntimeError("CUDA error: an illegal memory access was encountered"))
    bug = errors_of(RuntimeError("CUDA error: device-side assert triggered"))

    assert isinstance(fault, DeviceFaultError)
    assert isinstance(doubt, DeviceFaultError)
    assert "GPU 3 of host b failed (RuntimeError: CUDA error: uncorrectable ECC error encountered)" in str(fault)
    assert (fault.place, fault.is_certain, doubt.is_certain) == (PLACE, True, False)
    assert isinstance(suspect, BugError)
    assert isinstance(bug, BugError)
    assert (suspect.may_be_device, bug.may_be_device) == (True, False)


def test_of_errors_that_led_to_each_other_the_first_counts() -> None:
    """Memory runs out, and on the way out a collective finds its peers gone."""
    memory = RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    lost = RuntimeError("[../gloo/transport/tcp/pair.cc:598] Connection closed by peer [10.0.0.2]:1711")
    lost.__context__ = memory

    assert vendor_cause_of(lost) == "out_of_memory"
    assert isinstance(errors_of(lost), MemoryExhaustedError)


def test_what_gloo_raises_here_when_a_peer_ends_is_a_lost_peer() -> None:
    """Two processes meet and one ends: the words of the gloo that is installed, not those of the table."""
    program = """
import os, sys
import torch, torch.distributed as dist
from trainables.ranks.local_group import free_port
from trainables.ranks.rank_failure import unexpected_failure
port = free_port()
child = os.fork()
rank = 0 if child else 1
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
dist.all_reduce(torch.ones(1))
if rank == 1:
    os._exit(0)
try:
    for _ in range(100):
        dist.all_reduce(torch.ones(1 << 20))
except Exception as error:
    print(unexpected_failure(error).model_dump_json())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)

    error = RankFailure.model_validate_json(ended.stdout.splitlines()[-1]).to_error(PLACE)
    assert isinstance(error, PeerLostError)
    assert "could not reach the others" in str(error)
