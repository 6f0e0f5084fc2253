"""Combines the weights of several checkpoints into one: linear, by task arithmetic, or by TIES.

Every number is computed in float64 from the stored weights, in the order in which the checkpoints are given, and
rounded once. So the result depends neither on the number of ranks nor on the sizes of chunks. Files are read in chunks,
because several checkpoints of a large encoder together need more memory than a host may have.

Shapes: N numbers of one chunk of a tensor, P checkpoints (the parts).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple  # Any: a part of an open safetensors file has no public type

import torch
from torch import Tensor

from trainables.errors import CheckpointError
from trainables.models.weights import OpenFiles, open_weights
from trainables.plan.combination import Combination

CHUNK = 1 << 22
"""Numbers of each part that are in memory at a time, at most (a row of a matrix is never cut)."""

_LOW_BITS = 16


class Part(NamedTuple):
    """One checkpoint of a combination."""

    files: tuple[Path, ...]
    """Safetensors files that together hold its weights."""
    weight: float
    """Above 0."""


def combined_weights(
    parts: Sequence[Part],
    *,
    combination: Combination,
    start: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
    on_tensor: Callable[[], None] = lambda: None,
) -> dict[str, Tensor]:
    """Return the combined tensors by name, on the CPU.

    Weights are divided by their sum. With mean m of the parts' differences d from the start: `linear` is the mean of
    the parts; `task_arithmetic` is start + scaling * m (Ilharco et al. 2023, arXiv 2212.04089). `ties` first sets all
    but the largest differences of each part to 0; at each place, the sign of their weighted sum is elected, and m is
    the mean over the parts with this sign (Yadav et al. 2023, arXiv 2306.01708, algorithm 1).

    Args:
        parts: The checkpoints, with the same names and shapes of tensors.
        combination: Method, scaling and density.
        start: Weights that the parts were trained from, by name; `linear` does not need them.
        dtype: Type of the result.
        on_tensor: Called whenever a tensor was read or combined.

    Raises:
        CheckpointError: The checkpoints differ in the names or shapes of their tensors.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open_weights(part.files)) for part in parts]
        names = _common_names(files, parts=parts, start=start)
        total = math.fsum(part.weight for part in parts)
        weights = [part.weight / total for part in parts]
        is_whole = combination.method != "ties" or combination.density == 1
        least = (
            None
            if is_whole
            else [_least_kept(file, names, start=start, of=combination, on_tensor=on_tensor) for file in files]
        )
        rule = _Rule(combination=combination, weights=weights, least=least)
        found: dict[str, Tensor] = {}
        for name in names:
            found[name] = _combined(files, name, rule=rule, start=start, dtype=dtype)
            on_tensor()
        return found


class _Rule(NamedTuple):
    """How the numbers at one place are combined."""

    combination: Combination
    weights: list[float]
    """Of the parts; they sum to 1."""
    least: list[float] | None
    """Least size of a difference that `ties` keeps, of each part; None keeps all."""

    def of(self, parts_PN: list[Tensor], *, start_N: Tensor | None) -> Tensor:
        """Return the combined numbers, in float64."""
        scaling = self.combination.scaling
        if self.combination.method == "ties":
            assert start_N is not None  # noqa: S101  (checked with the names)
            return start_N + scaling * self._elected_mean([part_N - start_N for part_N in parts_PN])
        terms = [(scaling * weight, part_N) for weight, part_N in zip(self.weights, parts_PN, strict=True)]
        if self.combination.method == "task_arithmetic" and scaling != 1 and start_N is not None:
            terms.insert(0, (1 - scaling, start_N))
        (factor, first_N), *others = terms
        # The sum starts with the first term, not with 0, because 0 + -0 is 0: one part of weight 1 is kept exactly.
        total_N = factor * first_N
        for factor, other_N in others:
            total_N += factor * other_N
        return total_N

    def _elected_mean(self, differences_PN: list[Tensor]) -> Tensor:
        if self.least is not None:
            pairs = zip(differences_PN, self.least, strict=True)
            differences_PN = [torch.where(_sizes(one_N) >= least, one_N, 0.0) for one_N, least in pairs]
        weighted_PN = [weight * one_N for weight, one_N in zip(self.weights, differences_PN, strict=True)]
        sign_N = torch.sign(_sum(weighted_PN))
        agree_PN = [torch.sign(one_N) == sign_N for one_N in weighted_PN]
        total_N = _sum([torch.where(agree_N, one_N, 0.0) for agree_N, one_N in zip(agree_PN, weighted_PN, strict=True)])
        mass_N = _sum([weight * agree_N.double() for weight, agree_N in zip(self.weights, agree_PN, strict=True)])
        return torch.where(sign_N != 0, total_N / mass_N.clamp_min(torch.finfo(torch.float64).tiny), 0.0)


def _sum(terms: list[Tensor]) -> Tensor:
    """Return a sum in the order of its terms."""
    total = terms[0].clone()
    for term in terms[1:]:
        total += term
    return total


def _combined(
    files: Sequence[OpenFiles], name: str, *, rule: _Rule, start: Mapping[str, Tensor] | None, dtype: torch.dtype
) -> Tensor:
    first = files[0].get_slice(name)
    shape = first.get_shape()
    whole = files[0].get_tensor(name) if not shape else None
    if whole is not None and not whole.is_floating_point():
        return whole
    result = torch.empty(shape, dtype=dtype)
    for rows in _chunks(shape):
        parts_PN = [_rows(file, name, rows) for file in files]
        start_N = None if start is None else _of_rows(start[name], rows)
        result[rows] = rule.of(parts_PN, start_N=start_N).to(dtype)
    return result


def _chunks(shape: Sequence[int]) -> Iterator[Any]:
    """Yield indices of a tensor that select at most `CHUNK` numbers each, or one row."""
    if not shape:
        yield ...
        return
    step = max(1, CHUNK // max(1, math.prod(shape[1:])))
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))


def _rows(file: OpenFiles, name: str, rows: Any) -> Tensor:
    return (file.get_tensor(name) if rows is ... else file.get_slice(name)[rows]).double()


def _of_rows(tensor: Tensor, rows: Any) -> Tensor:
    return tensor.detach().cpu()[rows].double()


def _sizes(differences_N: Tensor) -> Tensor:
    """Return sizes in float32, in which they are also ranked."""
    return differences_N.abs().float()


def _least_kept(
    file: OpenFiles,
    names: Sequence[str],
    *,
    start: Mapping[str, Tensor] | None,
    of: Combination,
    on_tensor: Callable[[], None],
) -> float:
    """Return the size of the smallest difference that is kept: of equal ones at the limit, all are kept.

    The k-th largest of all sizes is found by two counts of their bits, which are ordered as the numbers are. So the
    sizes of a whole encoder need not be in memory, or be sorted.
    """
    assert start is not None  # noqa: S101  (checked with the names)
    shapes = {name: file.get_slice(name).get_shape() for name in names}

    def bits() -> Iterator[Tensor]:
        for name, shape in shapes.items():
            for rows in _chunks(shape):
                sizes = _sizes(_rows(file, name, rows) - _of_rows(start[name], rows))
                yield sizes.flatten().view(torch.int32)
            on_tensor()

    num_kept = max(1, round(of.density * sum(math.prod(shape) for shape in shapes.values())))
    high_counts = sum(torch.bincount(one >> _LOW_BITS, minlength=1 << _LOW_BITS) for one in bits())
    high, left = _largest(high_counts, num_kept)
    in_bin = (one[(one >> _LOW_BITS) == high] & ((1 << _LOW_BITS) - 1) for one in bits())
    low, _ = _largest(sum(torch.bincount(one, minlength=1 << _LOW_BITS) for one in in_bin), left)
    return torch.tensor((high << _LOW_BITS) | low, dtype=torch.int32).view(torch.float32).item()


def _largest(counts: Any, num: int) -> tuple[int, int]:
    """Return the bin that holds the num-th largest number, and its place among the numbers of this bin."""
    from_top = counts.flip(0).cumsum(0)
    place = int(torch.searchsorted(from_top, num))
    above = int(from_top[place - 1]) if place else 0
    return len(counts) - 1 - place, num - above


def _common_names(
    files: Sequence[OpenFiles], *, parts: Sequence[Part], start: Mapping[str, Tensor] | None
) -> list[str]:
    shapes = [{name: tuple(file.get_slice(name).get_shape()) for name in file.names} for file in files]
    if start is not None:
        shapes.append({name: tuple(tensor.shape) for name, tensor in start.items()})
    for other, where in zip(shapes[1:], [*(str(part.files[0]) for part in parts[1:]), "the start"], strict=False):
        differing = sorted(name for name in shapes[0].keys() | other.keys() if shapes[0].get(name) != other.get(name))
        if differing:
            rule = f"{differing[0]!r} has another shape in {where}, or is missing in one of the two"
            msg = f"cannot combine {str(parts[0].files[0])!r} with others: {rule}; combine checkpoints of one encoder"
            raise CheckpointError(msg)
    return sorted(shapes[0])
