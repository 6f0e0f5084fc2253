"""Measures training speed of every family of encoders beside Hugging Face's Trainer with `group_by_length`.

    cd benchmarks; python -m encoders.training_speed [--families NAME ...] [--quick] [--save FILE]

Each family gets an encoder with random weights, made with transformers' own configuration. All have the sizes of the
mirror's encoder (hidden size, layers, heads, feed-forward) and its tokenizer; speed does not depend on the weights.
Both sides train on the same token ids of mnli with the same settings; see train_throughput.py. For each family the
sides take turns. Figures are medians over turns, in real tokens (no padding) a second.
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

from machine import give_up, heading, require_mirror, require_package, save
from train_throughput import ENCODER, LEARNING_RATE, separate_process, set_environment

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from contenders.trainers import Settings, Window

TARGET_RATIO = 1.1
"""The target for ours, as a multiple of Trainer's speed, in every family."""

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
    mirror = require_mirror()
    require_package("accelerate", extra="bench")
    if not (encoder := mirror / "models" / ENCODER).is_dir():
        give_up(f"this benchmark needs the encoder {ENCODER}, and {encoder} is no folder; add it to the mirror")
    set_environment(options.threads)
    lines = heading(["torch", "deepspeed", "transformers", "accelerate"])
    pools = (separate_process(), separate_process())
    compared: list[Comparison] = []
    for family in options.families:
        print(family, file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as folder:
            settings = _settings(options, work=Path(folder))
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
    config = AutoConfig.for_model(family, **sizes, vocab_size=len(tokenizer), **special, **FIELDS[family])
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
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a turn (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=3, help="untimed steps of a turn (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples a step (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=96, help="longest text, tokens (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="1 turn of 2 steps: shows that it runs, measures nothing")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.repeats, options.warmup = 2, 1, 1
    return options


def _settings(options: argparse.Namespace, *, work: Path) -> Settings:
    from contenders.trainers import Settings

    return Settings(
        encoder=work / "encoder",
        cache=work / "cache",
        threads=options.threads,
        batch_size=options.batch_size,
        max_length=options.max_length,
        learning_rate=LEARNING_RATE,
        num_warmup_steps=options.warmup,
    )


def _compare(
    family: str,
    *,
    settings: Settings,
    pools: tuple[ProcessPoolExecutor, ProcessPoolExecutor],
    options: argparse.Namespace,
) -> Comparison:
    from contenders.trainers import train_hugging_face, train_ours

    theirs = partial(train_hugging_face, order="group_by_length")
    compared = Comparison(family=family, ours=[], theirs=[])
    for seed in range(options.repeats):
        for pool, turn, windows in ((pools[0], train_ours, compared.ours), (pools[1], theirs, compared.theirs)):
            windows.append(pool.submit(turn, settings, num_steps=options.steps, seed=seed).result())
    return compared


def _report(compared: list[Comparison], *, options: argparse.Namespace) -> list[str]:
    lines = [
        f"work      mnli, random weights of the sizes of {ENCODER}, batch {options.batch_size},",
        f"          max_length {options.max_length}, {options.threads} threads, float32, embeddings frozen,",
        f"          {options.repeats} turns of {options.steps} steps",
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
