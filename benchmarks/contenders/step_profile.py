"""Says where a training step spends its time, and where each percent of the processor's peak goes that it misses.

    cd benchmarks; python -m contenders.step_profile [--unfrozen] [--quick] [--save FILE]

The work is that of train_throughput.py. torch's profiler gives each operator's own time (without the operators that it
calls). Products do arithmetic, whose amount follows from their shapes; other operators move numbers. The misses of all
rows add up to the whole:

    share of peak = useful operations / (seconds x peak)
    a row misses    its share of the time - its useful operations / (seconds x peak)

so a row that ran at the peak would miss nothing, and a row without arithmetic misses all its time. The profiler itself
takes time: the first lines give a step's time with and without it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any  # Any: torch's profiler is untyped

from machine import heading, require_encoder, save
from train_throughput import ENCODER, GEMM_SIZES, SORTED_STEPS, read_options, set_environment, settings_of

if TYPE_CHECKING:
    from contenders.trainers import Settings

PRODUCTS = ("mkldnn::_linear_pointwise", "aten::addmm", "aten::mm", "aten::linear")
ROWS = {
    "products of linear layers": PRODUCTS,
    "attention": ("aten::_scaled_dot_product", "aten::bmm", "aten::baddbmm", "aten::_softmax"),
    "activation (GELU)": ("aten::gelu", "aten::tanh"),
    "layer norm": ("aten::native_layer_norm",),
    "dropout": ("aten::native_dropout", "aten::bernoulli", "aten::masked_scale"),
    "embeddings": ("aten::embedding", "aten::index_select", "aten::index_put", "aten::index_add", "aten::index"),
    "optimiser": ("aten::_fused_adam", "aten::_foreach", "aten::norm", "aten::linalg_vector_norm"),
    "sums of gradients (bias)": ("aten::sum",),
    "copies and fills": ("aten::copy_", "aten::fill_", "aten::zero_", "aten::cat", "aten::clone", "aten::slice"),
    "additions and scalings": ("aten::add", "aten::mul", "aten::div", "aten::sub"),
}
"""A row -> how the names of its operators begin. What fits none is another operator."""

OTHERS, OUTSIDE = "other operators", "outside operators (Python, planning)"


@dataclass(slots=True)
class Row:
    """What one kind of work took."""

    seconds: float = 0.0
    gflop: float = 0.0
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProfile:
    """A profiled stretch of training."""

    num_steps: int
    seconds: float
    """Wall time of the profiled steps."""
    plain_seconds: float
    """Wall time of the same steps without the profiler."""
    rows: dict[str, Row] = field(default_factory=dict)


def main() -> None:
    """Run the profile and print its table."""
    options = read_options(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter),
        steps=SORTED_STEPS,
        warmup=0,
        quick=(4, 1),
    )
    encoder = require_encoder(ENCODER)
    set_environment(options.threads, restart=True)
    lines = heading(["torch", "deepspeed", "transformers"])
    from contenders.trainers import gemm_gflops

    with TemporaryDirectory(prefix="xstilts-bench-") as cache:
        settings = settings_of(options, encoder=encoder, cache=Path(cache))
        measured = profiled(settings, num_steps=options.steps)
        peak = max(gemm_gflops(size, threads=options.threads, precision=settings.precision) for size in GEMM_SIZES)
    lines += [f"work      that of train_throughput.py, in {settings.precision}", *report(measured, peak=peak)]
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Where a training step spends its time", text="\n".join(lines))


def profiled(settings: Settings, *, num_steps: int) -> StepProfile:
    """Train the same steps twice, without and with the profiler."""
    from contenders.trainers import our_training
    from torch.profiler import ProfilerActivity, profile

    ours = our_training(settings, num_steps=num_steps, seed=0)
    ours.run()  # libraries load, and memory is taken
    plain = _seconds(ours.run)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        seconds = _seconds(ours.run)
    ours.engine.destroy()
    rows = _rows(profiler.key_averages(group_by_input_shape=True))
    rows[OUTSIDE] = Row(seconds=max(0.0, seconds - sum(row.seconds for row in rows.values())))
    return StepProfile(num_steps=ours.num_steps, seconds=seconds, plain_seconds=plain, rows=rows)


def report(measured: StepProfile, *, peak: float) -> list[str]:
    """Return the table; `peak` in GFLOP/s."""
    step, plain = (1000 * one / measured.num_steps for one in (measured.seconds, measured.plain_seconds))
    reached = sum(row.gflop for row in measured.rows.values()) / (measured.seconds * peak)
    lines = [
        f"peak      {peak:.0f} GFLOP/s, {measured.num_steps} steps",
        f"a step    {plain:.0f} ms, under the profiler {step:.0f} ms",
        "",
        f"{'':36}{'ms a step':>10}{'of time':>9}{'GFLOP/s':>9}{'misses':>9}",
    ]
    for name, row in sorted(measured.rows.items(), key=lambda item: -item[1].seconds):
        share = row.seconds / measured.seconds
        missed = share - row.gflop / (measured.seconds * peak)
        rate = f"{row.gflop / row.seconds:.0f}" if row.gflop else "-"
        milliseconds = 1000 * row.seconds / measured.num_steps
        lines.append(f"{name:36}{milliseconds:10.1f}{share:9.1%}{rate:>9}{missed:9.1%}")
    return [*lines, f"{'all':36}{step:10.1f}{1:9.0%}{reached * peak:9.0f}{1 - reached:9.1%}"]


def _rows(events: Iterable[Any]) -> dict[str, Row]:
    """Sum the operators' own times into rows."""
    rows: dict[str, Row] = {}
    for event in events:
        row = rows.setdefault(_row_of(event.key), Row())
        row.seconds += event.self_cpu_time_total / 1e6
        row.calls += event.count
        row.gflop += _gflop(event.key, event.input_shapes) * event.count
    return rows


def _row_of(operator: str) -> str:
    return next((row for row, begins in ROWS.items() if operator.startswith(begins)), OTHERS)


def _gflop(operator: str, shapes: list[list[int]]) -> float:
    """Return the operations of one call, in 10^9; operators that only call another have none of their own."""
    if operator == "aten::bmm":  # B x N x K, B x K x M: attention is plain products on CPUs
        (batch, rows, inner), (_, _, columns) = shapes[:2]
        return 2 * batch * rows * inner * columns / 1e9
    if operator == "mkldnn::_linear_pointwise":  # N x K, M x K
        (rows, inner), (columns, _) = shapes[:2]
    elif operator in ("aten::addmm", "aten::mm"):  # N x K, K x M
        (rows, inner), (_, columns) = shapes[-2:] if operator == "aten::mm" else shapes[1:3]
    else:
        return 0.0
    return 2 * rows * inner * columns / 1e9


def _seconds(run: Any) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
