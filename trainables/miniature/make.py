"""Builds the miniature's encoder: tokenizer, initial embeddings, masked-LM pretraining, 16-bit weights.

    python -m trainables.miniature.make --output FOLDER        (`make miniature` writes into the package)

Pretraining uses xstilts itself: a `TrainJob` of phase `pretraining` on the task `miniature_parallel`, with DeepSpeed on
one rank. It has two parts, whose order matters: first translations of single sentences, then all rows.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import shutil
import tempfile
from pathlib import Path

import torch

from trainables.config import EngineConfig, PhaseConfig, ScheduleConfig
from trainables.miniature import pretraining as recipe
from trainables.miniature.parallel import SINGLE_SENTENCE_FRACTION
from trainables.miniature.rows import NUM_ROWS
from trainables.miniature.tokenizer import write_tokenizer
from trainables.models.encoder import load_encoder, load_tokenizer, new_encoder, save_encoder
from trainables.ranks.jobs import JobPlaces, JobResult, TrainJob
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.registry import task

log = logging.getLogger(__name__)

TASK = "miniature_parallel"
ASSETS = Path(__file__).parent / "assets"


def main() -> None:
    """Pretrain the encoder and write it to the folder `--output`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ASSETS / "encoder", help="folder of the encoder")
    parser.add_argument("--steps", type=int, default=recipe.NUM_STEPS, help="steps of the second part")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        make_encoder(Path(scratch), output=arguments.output, num_steps=arguments.steps, num_threads=arguments.threads)


def make_encoder(scratch: Path, *, output: Path, num_steps: int, num_threads: int) -> None:
    """Write a pretrained encoder (16-bit weights) and its tokenizer.

    Args:
        scratch: An empty folder.
        output: Folder of the result; files in it are replaced.
        num_steps: Optimiser steps of the second part.
        num_threads: CPU threads; another number changes the last digits of results.
    """
    start = scratch / "start"
    write_start(start)
    with contextlib.closing(LocalGroup(EngineConfig(threads_per_rank=num_threads))) as group:
        folder = start
        for name, work in {"translations": translations(), "everything": everything(num_steps)}.items():
            places = JobPlaces(encoder=folder, tokenizer=start, output=scratch / name, cache=scratch / "cache")
            places.output.mkdir()
            result = group.run(_job(work, places))
            _log_result(name, result)
            folder = places.output
    _save(folder, output=output)


def write_start(folder: Path) -> None:
    """Write the tokenizer, and an untrained encoder whose word embeddings are similar for words of the same facts."""
    folder.mkdir()
    write_tokenizer(folder)
    tokenizer = load_tokenizer(folder)
    texts, facts = zip(*recipe.embedding_texts(), strict=True)
    token_ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    config = recipe.encoder_config(num_tokens=len(tokenizer))
    encoder = new_encoder({"model_type": "xlm-roberta", **config}, dropout=0.0)
    words = recipe.initial_embeddings(
        token_ids, facts=facts, num_tokens=len(tokenizer), hidden_size=encoder.hidden_size
    )
    encoder.model.get_input_embeddings().weight.data.copy_(torch.from_numpy(words))
    encoder.model.save_pretrained(folder)


def translations() -> PhaseConfig:
    """Return the first part: single sentences and their translations, which are the first rows."""
    num_examples = int(SINGLE_SENTENCE_FRACTION * NUM_ROWS[TASK]["train"])
    schedule = ScheduleConfig(kind="constant", warmup_steps=recipe.NUM_WARMUP_STEPS)
    return _phase(recipe.NUM_TRANSLATION_STEPS, schedule=schedule, num_examples=num_examples)


def everything(num_steps: int) -> PhaseConfig:
    """Return the second part: all pairs, including those of a premise and an entailed sentence."""
    schedule = ScheduleConfig(
        kind="warmup_stable_decay", warmup_steps=recipe.NUM_WARMUP_STEPS, decay_fraction=1 - recipe.HOLD_FRACTION
    )
    return _phase(num_steps, schedule=schedule, num_examples=None)


def _phase(num_steps: int, *, schedule: ScheduleConfig, num_examples: int | None) -> PhaseConfig:
    return PhaseConfig(
        mixture={TASK: 1.0},
        steps=num_steps,
        batch_size=recipe.BATCH_SIZE,
        learning_rate=recipe.LEARNING_RATE,
        weight_decay=recipe.WEIGHT_DECAY,
        adam_beta2=recipe.ADAM_BETAS[1],
        schedule=schedule,
        max_length=recipe.MAX_LENGTH,
        dropout=0.0,
        num_examples=num_examples,
    )


def _job(work: PhaseConfig, places: JobPlaces) -> TrainJob:
    engine = EngineConfig(tokens_per_micro_batch=recipe.BATCH_SIZE * recipe.MAX_LENGTH)
    return TrainJob(phase="pretraining", work=work, specs={TASK: task(TASK)}, engine=engine, places=places)


def _log_result(name: str, result: JobResult) -> None:
    last = result.losses[-100:]
    log.info("%s: %d steps, loss %.3f, scores %s", name, result.steps, sum(last) / len(last), result.scores)


def _save(folder: Path, *, output: Path) -> None:
    shutil.rmtree(output, ignore_errors=True)
    state = load_encoder(folder, dropout=0.0).model.state_dict()
    save_encoder(state, source_folder=folder, folder=output, dtype=torch.float16)


if __name__ == "__main__":
    main()
