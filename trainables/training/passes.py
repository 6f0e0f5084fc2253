"""The passes of a phase's steps, ready for one rank: planned, collated, and on their way to its device.

All of it is a pure function of the phase, the step and the rank, so it can run ahead of the training
(`prefetcher.py`) without changing a number.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from trainables.config import PhaseConfig
from trainables.data.batch_plan import BatchPlan, Block, Indices, split_block
from trainables.data.batches import prepared_batch
from trainables.data.encoded_split import EncodedTask
from trainables.data.shapes import FewShapes
from trainables.training.device_copies import DeviceCopies, Sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One forward and backward pass of one rank."""

    task: str
    """The task of its examples."""
    sent: Sent
    """Its batch."""
    is_idle: bool
    """Whether its batch only keeps the ranks together: this rank has no example, and the loss counts 0."""
    blocks: tuple[Block, ...]
    """What all ranks train on in its step."""
    ends_step: bool
    """Whether it is the last one of its step."""
    num_tokens: int = 0
    """Its tokens, padding included; without those that only round its shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassMaker:
    """Makes the passes of one rank."""

    work: PhaseConfig
    """The phase."""
    tasks: Mapping[str, EncodedTask]
    """Task name -> its encoded training split."""
    plan: BatchPlan
    """The examples of each step."""
    tokens_per_micro_batch: int
    """Bound on one pass, padding included."""
    rank: int
    """This rank's number."""
    num_ranks: int
    """Ranks that share each step."""
    copies: DeviceCopies
    """Sends batches to this rank's device."""
    shapes: FewShapes | None = None
    """How the shapes of passes are rounded; None: not at all."""

    def steps(self, numbers: Iterable[int]) -> Generator[Pass]:
        """Yield the passes of steps, in order; every rank has the same number of passes in a step, at least one."""
        for step in numbers:
            blocks = self.plan.step(step)
            cut = [self._split(block) for block in blocks]
            num_left = sum(map(len, cut))
            for number, block in enumerate(blocks):
                generator = np.random.default_rng((self.work.seed, step, number))
                for indices_by_rank in cut[number]:
                    num_left -= 1
                    indices = indices_by_rank[self.rank]
                    is_idle, sent = self._sent(block.task, indices, generator)
                    longest = int(self.tasks[block.task].lengths[indices].max(initial=0))
                    yield Pass(
                        task=block.task,
                        sent=sent,
                        is_idle=is_idle,
                        blocks=blocks,
                        ends_step=num_left == 0,
                        num_tokens=longest * len(indices),
                    )

    def _split(self, block: Block) -> list[list[Indices]]:
        task = self.tasks[block.task]
        return split_block(
            block,
            lengths=task.lengths,
            tokens_per_micro_batch=self.tokens_per_micro_batch,
            num_ranks=self.num_ranks,
            couples_examples=task.kind.couples_examples,
            shapes=self.shapes,
        )

    def _sent(self, task: str, indices: Indices, generator: np.random.Generator) -> tuple[bool, Sent]:
        """Return whether a rank without examples computes one at weight 0, and the batch.

        Every rank must run every module the same number of times: ZeRO's gathers and reductions are collectives.
        """
        is_idle = len(indices) == 0
        taken = np.zeros(1, dtype=np.int64) if is_idle else indices
        return is_idle, self.copies.send(
            prepared_batch(self.tasks[task], taken, generator=generator, shapes=self.shapes)
        )
