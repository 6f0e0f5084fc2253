"""Measures mining BUCC 2018's zh-en dev part (8,624 and 13,589 sentences) with the mirror's encoder, by both scores.

    PYTHONPATH=benchmarks python benchmarks/retrieval/bitext_mining.py [--rows N] [--save FILE]

The time is that of a first evaluation: reading and tokenising the files, encoding each sentence on one rank with all
cores, and mining. Processor time is that of all cores together. XSTILTS_BUCC names the folder of XTREME's files; the
default is the mirror's raw/bucc2018. Exit code 1: it took more than three minutes, or margin is not better than cosine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import numpy as np
from machine import heading, require_mirror, save
from numpy.typing import NDArray

MAX_SECONDS = 180
"""The target."""
ENCODER = "lab/xlmr-e5-small-6l"
SIMILARITIES: tuple[Literal["cosine", "margin"], ...] = ("cosine", "margin")


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description="Mining BUCC's zh-en dev part.")
    parser.add_argument("--rows", type=int, help="sentences (default: all)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the result to a Markdown file")
    options = parser.parse_args()
    mirror = require_mirror()
    os.environ.setdefault("XSTILTS_BUCC", str(mirror / "raw/bucc2018"))
    lines = heading(["torch", "transformers", "numpy"])
    with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as scratch:
        table, is_good = measure(mirror / "models" / ENCODER, cache=Path(scratch), num_rows=options.rows)
    text = "\n".join([*lines, "", *table])
    print(text)
    if options.save:
        save(options.save, title="Mining of bitexts", text=text)
    sys.exit(not is_good)


def measure(encoder: Path, *, cache: Path, num_rows: int | None) -> tuple[list[str], bool]:
    """Return the lines of the table, and whether the targets are met."""
    import torch

    from trainables.data.encoded_split import EncodedRequest, TokenizerSource, open_encoded_task
    from trainables.evaluation.items import items_of
    from trainables.evaluation.predictor import predict
    from trainables.evaluation.scores import score_items
    from trainables.models.encoder import load_encoder, load_tokenizer
    from trainables.models.task_model import TaskModel
    from trainables.models.text_heads import MeanStateHead
    from trainables.tasks.registry import task
    from trainables.training.rank import Rank

    spec, started = task("bucc"), _clock()
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(encoder), fingerprint="bench")
    request = EncodedRequest(
        spec=spec,
        split="validation",
        language="zh",
        tokenizer=tokenizer,
        max_length=512,
        num_examples=num_rows,
        cache=cache,
    )
    encoded = open_encoded_task(request)
    read = _clock()
    model = TaskModel(load_encoder(encoder, dropout=0.0), heads={spec.name: MeanStateHead()}, vision=None)
    rank = Rank(number=0, num_ranks=1, device=torch.device("cpu"))
    outputs = predict(model, encoded, head=spec.name, rank=rank, tokens_per_micro_batch=4096)
    predicted = _clock()
    table = [f"{len(encoded):,} sentences, {int(encoded.lengths.sum()):,} tokens", f"{'':18}    wall  processor"]
    table += [_line("read and tokenised", read - started), _line("encoded", predicted - read)]
    scores, total = dict[str, float](), predicted - started
    for similarity in SIMILARITIES:
        before = _clock()
        items = items_of(encoded, outputs=outputs, similarity=similarity)
        scores[similarity] = score_items(items, spec=spec, language="zh")["mining_f1"]
        mined = _clock() - before
        total = total + mined if similarity == "margin" else total
        table.append(f"{_line(f'mined by {similarity}', mined)}   F1 {scores[similarity]:.1%}")
    table.append(f"{_line('an evaluation', total)}   (target: {MAX_SECONDS} s of wall time)")
    return table, total[0] <= MAX_SECONDS and scores["margin"] > scores["cosine"]


def _clock() -> NDArray[np.float64]:
    """Return wall time and processor time, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def _line(name: str, seconds: NDArray[np.float64]) -> str:
    return f"{name:18}  {seconds[0]:6.1f} s   {seconds[1]:6.1f} s"


if __name__ == "__main__":
    main()
