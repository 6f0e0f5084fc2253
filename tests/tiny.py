# ruff: noqa: S106, S311  names of special tokens are no passwords, random words no secrets
"""Inputs small enough for many real runs: an encoder of two layers, and a mirror with some rows of real tasks.

The mirror is laid out as on the hub, so the catalogue's own tasks (mnli, commonsense_qa, nlvr2, vqa_v2, ...) are read
from it by the code that reads the real ones. A label can be read off the words (and images), so a model that learns
has a falling loss.
"""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Features, Image
from datasets.features.features import generate_from_arrow_type
from PIL import Image as PillowImage
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from trainables.config.evaluation import XNLI_LANGUAGES

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
WORDS = tuple(f"w{number}" for number in range(50))
ENTAILED, NEUTRAL, CONTRADICTED = "yes", "maybe", "no"
RARE = "rare"
"""A word of the vocabulary that stands in one row of mnli's train split."""

NUM_TRAIN_ROWS = 120
NUM_DEV_ROWS = 12
IMAGE_SIZE = 16


def write_encoder(folder: Path, *, dtype: torch.dtype = torch.float32) -> Path:
    """Write a random XLM-R of two layers with its tokenizer; returns the folder."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = XLMRobertaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=48,
            max_position_embeddings=66,
            type_vocab_size=1,
            initializer_range=0.1,
        )
        XLMRobertaModel(config).to(dtype).save_pretrained(folder)
    return folder


def write_mirror(folder: Path) -> Path:
    """Write a mirror with the tasks that the module names; returns the folder."""
    glue = {"train": _nli_rows(NUM_TRAIN_ROWS, seed="train"), "validation_matched": _nli_rows(NUM_DEV_ROWS, seed="dev")}
    glue["train"]["premise"][7] += f" {RARE}"
    write_repository(folder / "datasets/nyu-mll/glue", configs={"mnli": glue})
    xnli = {language: {"validation": _nli_rows(NUM_DEV_ROWS, seed=language)} for language in XNLI_LANGUAGES}
    write_repository(folder / "datasets/facebook/xnli", configs=xnli)
    choices = {"train": _choice_rows(NUM_TRAIN_ROWS), "validation": _choice_rows(NUM_DEV_ROWS)}
    write_repository(folder / "datasets/tau/commonsense_qa", configs={"default": choices})
    pictures = {"train": _picture_rows(NUM_TRAIN_ROWS), "validation": _picture_rows(NUM_DEV_ROWS)}
    write_repository(folder / "datasets/lil-lab/nlvr", configs={"default": pictures})
    broken = _picture_rows(NUM_TRAIN_ROWS)
    broken["image"][:3] = [{"bytes": b"no image", "path": None}] * 3
    write_repository(folder / "datasets/tiny/broken", configs={"default": {"train": broken}})
    pairs = {"train": _pair_rows(NUM_TRAIN_ROWS), "validation": _pair_rows(NUM_DEV_ROWS)}
    write_repository(folder / "datasets/pingzhili/nlvr2", configs={"default": pairs})
    captioned = {"train": _captioned_rows(NUM_TRAIN_ROWS), "val": _captioned_rows(NUM_DEV_ROWS)}
    write_repository(folder / "datasets/umaru97/flickr30k_train_val_test", configs={"default": captioned})
    questions = {"train": _question_rows(NUM_TRAIN_ROWS), "validation": _question_rows(NUM_DEV_ROWS)}
    write_repository(folder / "datasets/pingzhili/vqa_v2", configs={"default": questions})
    squad = {"train": _span_rows(NUM_TRAIN_ROWS), "validation": _span_rows(NUM_DEV_ROWS)}
    write_repository(folder / "datasets/rajpurkar/squad", configs={"default": squad})
    xquad = {f"xquad.{language}": {"validation": _span_rows(NUM_DEV_ROWS)} for language in ("en", "de")}
    write_repository(folder / "datasets/google/xquad", configs=xquad)
    tatoeba = {f"{language}-eng": {"test": _sentence_rows(NUM_DEV_ROWS)} for language in ("deu", "swh")}
    write_repository(folder / "datasets/mteb/tatoeba-bitext-mining", configs=tatoeba)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    words = (*SPECIAL, *WORDS, ENTAILED, NEUTRAL, CONTRADICTED, RARE, "blue", "red")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=64,
    )


def _text(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(2, 12)))


def _nli_rows(num_rows: int, *, seed: str) -> dict[str, list[Any]]:
    rng = random.Random(seed)
    labels = [rng.randrange(3) for _ in range(num_rows)]
    signs = (ENTAILED, NEUTRAL, CONTRADICTED)
    return {
        "premise": [_text(rng) for _ in labels],
        "hypothesis": [f"{signs[label]} {_text(rng)}" for label in labels],
        "label": labels,
    }


def _choice_rows(num_rows: int) -> dict[str, list[Any]]:
    rng = random.Random(num_rows)
    answers = [rng.randrange(5) for _ in range(num_rows)]
    texts = [[f"{ENTAILED if place == right else NEUTRAL} {_text(rng)}" for place in range(5)] for right in answers]
    return {
        "question": [_text(rng) for _ in answers],
        "choices": [{"label": list("ABCDE"), "text": text} for text in texts],
        "answerKey": ["ABCDE"[right] for right in answers],
    }


def _span_rows(num_rows: int) -> dict[str, list[Any]]:
    rng = random.Random(num_rows)
    before = [_text(rng) for _ in range(num_rows)]
    return {
        "id": [f"question-{row}" for row in range(num_rows)],
        "context": [f"{words} {ENTAILED} w{row % 50} {_text(rng)}" for row, words in enumerate(before)],
        "question": [_text(rng) for _ in before],
        "answers": [
            {"text": [f"w{row % 50}"], "answer_start": [len(f"{words} {ENTAILED} ")]}
            for row, words in enumerate(before)
        ],
    }


def _sentence_rows(num_rows: int) -> dict[str, list[Any]]:
    rng = random.Random(num_rows)
    sentences = [_text(rng) for _ in range(num_rows)]
    return {"sentence1": [f"{text} {NEUTRAL}" for text in sentences], "sentence2": sentences}


def _picture_rows(num_rows: int) -> dict[str, list[Any]]:
    rng = random.Random(num_rows)
    colours = [rng.choice(("red", "blue")) for _ in range(num_rows)]
    labels = [rng.randrange(2) for _ in range(num_rows)]
    other = {"red": "blue", "blue": "red"}
    said = [colour if label else other[colour] for colour, label in zip(colours, labels, strict=True)]
    return {
        "image": _pictures(colours),
        "sentence": [f"{word} {_text(rng)}" for word in said],
        "label": labels,
    }


def _pair_rows(num_rows: int) -> dict[str, list[Any]]:
    """Return pairs of pictures of which the second one is a single one for all; a sentence is true of the first."""
    rows = _picture_rows(num_rows)
    return {
        "image0": rows["image"],
        "image1": _pictures(["blue"]) * num_rows,
        "sentence": rows["sentence"],
        "label": [("False", "True")[label] for label in rows["label"]],
    }


def _captioned_rows(num_rows: int) -> dict[str, list[Any]]:
    rng = random.Random(num_rows)
    colours = [rng.choice(("red", "blue")) for _ in range(num_rows)]
    captions = [[f"{colour} {_text(rng)}" for _ in range(5)] for colour in colours]
    return {"image": _pictures(colours), "caption": captions}


def _question_rows(num_rows: int) -> dict[str, list[Any]]:
    """Return questions on a picture's colour, which eight of ten people name; each picture has two questions."""
    rng = random.Random(num_rows)
    colours = [rng.choice(("red", "blue")) for _ in range(num_rows // 2)]
    people = [
        [{"answer": colour}] * 8 + [{"answer": "maybe"}, {"answer": f"w{rng.randrange(50)}"}] for colour in colours
    ]
    return {
        "image": [picture for picture in _pictures(colours) for _ in range(2)],
        "question": [_text(rng) for _ in range(num_rows)],
        "answers": [answers for answers in people for _ in range(2)],
    }


def _pictures(colours: list[str]) -> list[dict[str, Any]]:
    return [{"bytes": _picture(colour, row=row), "path": None} for row, colour in enumerate(colours)]


def _picture(colour: str, *, row: int) -> bytes:
    """Return a picture that no other row has."""
    image = PillowImage.new("RGB", (IMAGE_SIZE, IMAGE_SIZE), (220, 0, 0) if colour == "red" else (0, 0, 220))
    image.putpixel((0, 0), (0, row % 256, row // 256))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def write_repository(folder: Path, *, configs: Mapping[str, Mapping[str, dict[str, list[Any]]]]) -> None:
    """Write a repository of data as on the hub: configuration -> split -> columns."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        (folder / config).mkdir(parents=True)
        for split, rows in splits.items():
            pq.write_table(_table(rows), folder / config / f"{split}.parquet")
            lines += [f"  - split: {split}", f"    path: {config}/{split}.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


def _table(rows: dict[str, list[Any]]) -> pa.Table:
    table = pa.table(rows)
    images = [name for name in rows if name.startswith("image")]
    if not images:
        return table
    # What `datasets` writes so that it reads the columns as images again.
    features = {name: generate_from_arrow_type(table.schema.field(name).type) for name in rows}
    features |= {name: Image() for name in images}
    return table.replace_schema_metadata(Features(features).arrow_schema.metadata)
