"""The causes of failures: the kind that the record stores for each, and what is done about it.

This is the only list of causes. Errors of `trainables` carry their cause (`errors`), texts of other libraries are
matched to one (`vendor_errors`, `failures`), and ranks send it to the trial's process (`ranks.rank_failure`). The
reasons for each response: docs/decisions/0015-failures-by-kind.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

FailureKind = Literal["input", "not_finite", "out_of_memory", "lost", "hang", "disk", "other", "device_fault", "bug"]
"""What the record stores of a failure. `input`: data, checkpoint or configuration; `not_finite`: the loss; `lost`: a
process or host ended; `device_fault`: a GPU or its host broke; `bug`: of xstilts or of a library."""

FailureCause = Literal[
    "input",
    "not_finite",
    "out_of_memory",
    "lost",
    "peer_lost",
    "place_lost",
    "hang",
    "disk",
    "disk_full",
    "device_fault",
    "device_doubt",
    "bug",
    "suspect",
    "other",
]
"""What went wrong; finer than FailureKind where the response differs.

- `lost`: a rank's process ended; `peer_lost`: a rank cannot reach another one; `place_lost`: a host of the trial ended,
  and Ray has no other room for its ranks.
- `device_fault`: the device, or its host, cannot do the work; `device_doubt`: the device cannot, or a kernel did
  something forbidden. A doubt counts against the device unless the trial fails wherever it runs.
- `bug`: the program is wrong, and fails in the same way wherever it runs; `suspect`: a bug, or a broken device.
- `disk`: a disk cannot be read or written for now; `disk_full`: it, or a quota, has no space left.
"""

Response = Literal[
    "fail", "fresh_ranks", "fresh_ranks_once", "fresh_ranks_then_elsewhere", "elsewhere", "smaller_pass", "requeue"
]
"""What is done about a failure.

- `fail`: the trial fails.
- `fresh_ranks`: new ranks continue from the stage's last checkpoint, while the trial makes progress.
- `fresh_ranks_once`: the same, once; then the trial fails.
- `fresh_ranks_then_elsewhere`: new ranks in the same place once; then the trial is re-queued and runs elsewhere.
- `elsewhere`: the trial is re-queued at once, and runs elsewhere.
- `smaller_pass`: new ranks once; then half the tokens in a pass, with the same batch.
- `requeue`: the trial is re-queued, and the sweep pauses until the disk can be used again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """What follows from one cause."""

    kind: FailureKind
    """The kind that the record stores."""
    response: Response
    """What is done about it."""
    rank_order: int = 3
    """Place among the errors of several ranks: the error with the lowest number is the cause of the others."""


RULES: Mapping[FailureCause, FailureRule] = MappingProxyType(
    {
        "lost": FailureRule(kind="lost", response="fresh_ranks", rank_order=0),
        "place_lost": FailureRule(kind="lost", response="elsewhere", rank_order=0),
        "device_fault": FailureRule(kind="device_fault", response="fresh_ranks_then_elsewhere", rank_order=1),
        "device_doubt": FailureRule(kind="device_fault", response="fresh_ranks_then_elsewhere", rank_order=1),
        "out_of_memory": FailureRule(kind="out_of_memory", response="smaller_pass", rank_order=2),
        "hang": FailureRule(kind="hang", response="fresh_ranks"),
        "bug": FailureRule(kind="bug", response="fail"),
        "suspect": FailureRule(kind="bug", response="fresh_ranks_once"),
        "not_finite": FailureRule(kind="not_finite", response="fail"),
        "disk": FailureRule(kind="disk", response="requeue"),
        "disk_full": FailureRule(kind="disk", response="requeue"),
        "input": FailureRule(kind="input", response="fail"),
        "other": FailureRule(kind="other", response="fail", rank_order=4),
        "peer_lost": FailureRule(kind="lost", response="fresh_ranks", rank_order=5),
    }
)
"""Cause -> what follows from it."""
