"""Measures training speed of every family of encoders beside Hugging Face's Trainer with `group_by_length`.

    cd benchmarks; python -m encoders.training_speed [--families NAME ...] [--quick] [--save FILE]

Each family gets an encoder with random weights, made with transformers' own configuration. All have the sizes of the
mirror's encoder (hidden size, layers, heads, feed-forward) and its tokenizer; speed does not depend on the weights.
Both sides train on the same token ids of mnli with the same settings, the type of the arithmetic included (that of a
new sweep on this machine, unless --precision names one); see train_throughput.py. For each family the sides take
turns. Figures are medians over turns, in real tokens (no padding) a second. Trainer's grouped order begins each
stretch of 50 steps with the longest texts, which go through fastest: use a multiple of 50 steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: JSON is untyped

from machine import heading, require_encoder, require_package, save
from train_throughput import (
    ENCODER,
    SORTED_STEPS,
    precision_of,
    read_options,
    separate_process,
    set_environment,
    settings_of,
)

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from contenders.trainers import Settings, Window

TARGET_RATIO = 1.1
"""The target for ours, as a multiple of Trainer's speed, in every family."""

DROPOUT = 0.1
"""Dropout of both sides: that of a phase by default."""

SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
"""Fields of config.json that all families take from the mirror's encoder."""

FIELDS: dict[str, dict[str, Any]] = {
    "xlm-roberta": {"type_vocab_size": 1},
    "bert": {},
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "modernbert": {},
    "xlm-roberta-xl": {"type_vocab_size": 1},
    "rembert": {"input_embedding_size": 256, "output_embedding_size": 256},
    "eurobert": {"num_key_value_heads": 12},
}
"""Family -> what its published checkpoints set beside the sizes (mDeBERTa-v3 for deberta-v2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured of one family."""

    family: str
    ours: list[Window]
    theirs: list[Window]

    @property
    def ratio(self) -> float:
        """Our real tokens a second, as a multiple of Trainer's."""
        return rate(self.ours) / rate(self.theirs)


def main() -> None:
    """Run the benchmark and print its table."""
    options = _options()
    encoder = require_encoder(ENCODER)
    require_package("accelerate", extra="bench")
    set_environment(options.threads)
    lines = heading(["torch", "deepspeed", "transformers", "accelerate"])
    pools = (separate_process(), separate_process())
    compared: list[Comparison] = []
    for family in options.families:
        print(family, file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as folder:
            settings = settings_of(options, encoder=Path(folder) / "encoder", cache=Path(folder) / "cache")
            pools[0].submit(write_encoder, settings.encoder, family, like=encoder).result()
            compared.append(_compare(family, settings=settings, pools=pools, options=options))
    for pool in pools:
        pool.shutdown()
    lines += _report(compared, options=options)
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Training throughput of every family", text="\n".join(lines))


def write_encoder(folder: Path, family: str, *, like: Path) -> None:
    """Write an encoder of a family with random weights, and the sizes and the tokenizer of another encoder."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from trainables.models.families.by_name import family_of
    from trainables.models.transformers_model import quiet_transformers

    other = json.loads((like / "config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(like, local_files_only=True)
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos", "mask")}
    special |= {"cls_token_id": special["bos_token_id"], "sep_token_id": special["eos_token_id"]}
    sizes = {name: other[name] for name in SIZES} | {"max_position_embeddings": other["max_position_embeddings"]}
    dropout = dict.fromkeys(family_of(family).dropout_fields, DROPOUT)  # transformers' own is 0 for some
    fields = sizes | special | dropout | FIELDS[family]
    config = AutoConfig.for_model(family, **fields, vocab_size=len(tokenizer))
    torch.manual_seed(0)
    with quiet_transformers():
        AutoModel.from_config(config, **family_of(family).model_arguments).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def rate(windows: list[Window]) -> float:
    """Return real tokens a second: the median over turns."""
    return statistics.median(window.tokens / window.seconds for window in windows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training speed of every family beside Hugging Face's Trainer.")
    parser.add_argument("--families", nargs="+", choices=list(FIELDS), default=list(FIELDS), help="default: all")
    return read_options(parser, steps=SORTED_STEPS, warmup=5, quick=(2, 1))


def _compare(
    family: str,
    *,
    settings: Settings,
    pools: tuple[ProcessPoolExecutor, ProcessPoolExecutor],
    options: argparse.Namespace,
) -> Comparison:
    from contenders.trainers import train_hugging_face, train_ours

    theirs = partial(train_hugging_face, order="group_by_length", precision=settings.precision)
    compared = Comparison(family=family, ours=[], theirs=[])
    for seed in range(options.repeats):
        for pool, turn, windows in ((pools[0], train_ours, compared.ours), (pools[1], theirs, compared.theirs)):
            windows.append(pool.submit(turn, settings, num_steps=options.steps, seed=seed).result())
    return compared


def _report(compared: list[Comparison], *, options: argparse.Namespace) -> list[str]:
    lines = [
        f"work      mnli, random weights of the sizes of {ENCODER}, batch {options.batch_size},",
        f"          max_length {options.max_length}, {options.threads} threads, {precision_of(options.precision)},",
        f"          embeddings frozen, {options.repeats} turns of {options.steps} steps",
        "",
        f"{'family':16}{'ours, tokens/s':>16}{'Trainer, tokens/s':>19}{'ratio':>8}{'':3}(target: {TARGET_RATIO}x)",
    ]
    lines += [
        f"{one.family:16}{rate(one.ours):16,.0f}{rate(one.theirs):19,.0f}{one.ratio:7.2f}x"
        f"{'' if one.ratio >= TARGET_RATIO else '   below the target'}"
        for one in compared
    ]
    return lines


if __name__ == "__main__":
    main()
