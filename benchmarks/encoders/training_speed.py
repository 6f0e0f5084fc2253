"""Measures training speed of every family of encoders beside Hugging Face's Trainer with `group_by_length`.

    cd benchmarks; python -m encoders.training_speed [--families NAME ...] [--quick] [--save FILE]

Each family gets an encoder with random weights, made with transformers' own configuration. All have the sizes of the
mirror's encoder (hidden size, layers, heads, feed-forward) and its tokenizer; speed does not depend on the weights.
All sides train on the same token ids of mnli with the same settings; see train_throughput.py. Ours computes in the type
of a new sweep on this machine, unless --precision names one. Trainer computes in float32, which is its default, and
where ours is another type, in that type too. For each family the sides take turns. Figures are medians over turns, in
real tokens (no padding) a second. Trainer's grouped order begins each stretch of 50 steps with the longest texts, which
go through fastest: use a multiple of 50 steps.
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
from typing import TYPE_CHECKING, Any, cast  # Any: JSON is untyped

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

    from trainables.config.trial import Precision

TARGET_RATIO = 1.1
"""The target for ours, as a multiple of the speed of Trainer by default, in every family."""

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
    theirs: dict[Precision, list[Window]]
    """Trainer's type -> its turns."""

    def ratio(self, precision: Precision) -> float:
        """Return our real tokens a second, as a multiple of Trainer's in a type."""
        return rate(self.ours) / rate(self.theirs[precision])


def main() -> None:
    """Run the benchmark and print its table."""
    options = _options()
    encoder = require_encoder(ENCODER)
    require_package("accelerate", extra="bench")
    set_environment(options.threads)
    lines = heading(["torch", "deepspeed", "transformers", "accelerate"])
    types: tuple[Precision, ...] = tuple(dict.fromkeys(("float32", precision_of(options.precision))))
    pools = {side: separate_process() for side in ("ours", *types)}
    compared: list[Comparison] = []
    for family in options.families:
        print(family, file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as folder:
            settings = settings_of(options, encoder=Path(folder) / "encoder", cache=Path(folder) / "cache")
            pools["ours"].submit(write_encoder, settings.encoder, family, like=encoder).result()
            compared.append(_compare(family, settings=settings, pools=pools, options=options))
    for pool in pools.values():
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
    family: str, *, settings: Settings, pools: dict[str, ProcessPoolExecutor], options: argparse.Namespace
) -> Comparison:
    from contenders.trainers import train_hugging_face, train_ours

    compared = Comparison(family=family, ours=[], theirs={})
    for seed in range(options.repeats):
        ours = partial(train_ours, num_steps=options.steps, seed=seed)
        compared.ours.append(pools["ours"].submit(ours, settings).result())
        for precision in cast("list[Precision]", [name for name in pools if name != "ours"]):
            theirs = partial(train_hugging_face, num_steps=options.steps, seed=seed, order="group_by_length")
            windows = compared.theirs.setdefault(precision, [])
            windows.append(pools[precision].submit(theirs, settings, precision=precision).result())
    return compared


def _report(compared: list[Comparison], *, options: argparse.Namespace) -> list[str]:
    types = list(compared[0].theirs)
    ours = precision_of(options.precision)
    lines = [
        f"work      mnli, random weights of the sizes of {ENCODER}, batch {options.batch_size},",
        f"          max_length {options.max_length}, {options.threads} threads, ours in {ours},",
        f"          embeddings frozen, {options.repeats} turns of {options.steps} steps",
        f"target    {TARGET_RATIO}x Trainer in float32, its default",
        "",
        "tokens/s".rjust(27) + "".join(f"Trainer, {name}".rjust(27) for name in types),
        f"{'family':16}{'ours':>11}" + f"{'tokens/s':>18}{'ratio':>9}" * len(types),
    ]
    for one in compared:
        line = f"{one.family:16}{rate(one.ours):11,.0f}"
        line += "".join(f"{rate(one.theirs[name]):18,.0f}{one.ratio(name):8.2f}x" for name in types)
        lines.append(line + ("" if one.ratio("float32") >= TARGET_RATIO else "  below"))
    return lines


if __name__ == "__main__":
    main()
