"""Settings with which the literature trains and scores each evaluation task: XTREME, XTREME-R, IGLUE, their scripts.

Plain data that imports no other module of xstilts, so that configurations can take defaults from it.

Sources: Hu et al. 2020 (arXiv 2003.11080), Ruder et al. 2021 (arXiv 2104.07412), the hyperparameters of the scripts in
google-research/xtreme (`scripts/train_*.sh`, `run_tatoeba.sh`, `run_bucc2018.sh`), and Bugliarello et al. 2022 (IGLUE,
arXiv 2201.11732): its languages and training sets, with XTREME's hyperparameters, which suit an XLM-R.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings with which a benchmark trains and scores one task."""

    languages: tuple[str, ...]
    """Languages that are scored."""
    training: tuple[str, ...] = ()
    """English training sets, one phase each, in order; empty where the encoder is scored without training."""
    also_fits: tuple[str, ...] = ()
    """Further training sets whose classes have the same meaning but other names."""
    learning_rate: float = 2e-5
    """Peak learning rate."""
    epochs: float = 5
    """Passes over each training set."""
    similarity: Literal["cosine", "margin"] = "cosine"
    """Similarity that retrieval compares texts by."""
    max_length: int = 128
    """Maximum length of an input in tokens, in training and scoring."""
    has_images: bool = False
    """Whether the training sets have images, so that a trial with a vision tower is asked with images."""


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PANX = _codes(
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi "
    "yo zh"
)
# Without kk, th, tl and yo: they have no dev split, and a search sees only dev splits.
_UDPOS = _codes("af ar bg de el en es et eu fa fi fr he hi hu id it ja ko mr nl pt ru ta te tr ur vi zh")
_TATOEBA = _codes(
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)


def _qa(languages: str, *, training: str) -> Recipe:
    return Recipe(languages=_codes(languages), training=(training,), learning_rate=3e-5, epochs=3, max_length=384)


_XQUAD = "ar de el en es hi ru th tr vi zh"

LITERATURE: Mapping[str, Recipe] = MappingProxyType(
    {
        "xnli": Recipe(languages=_codes("ar bg de el en es fr hi ru sw th tr ur vi zh"), training=("mnli",)),
        "paws_x": Recipe(languages=_codes("de en es fr ja ko zh"), training=("paws",), also_fits=("qqp",)),
        "udpos": Recipe(languages=_UDPOS, training=("udpos",), epochs=10),
        "panx": Recipe(languages=_PANX, training=("panx",), epochs=10),
        "xquad": _qa(_XQUAD, training="squad"),
        "mlqa": _qa("ar de en es hi vi zh", training="squad"),
        "tydiqa": _qa("ar bn en fi id ko ru sw te", training="tydiqa"),
        "xcopa": Recipe(
            languages=_codes("et ht id it qu sw ta th tr vi zh"), training=("social_i_qa", "copa"), learning_rate=3e-5
        ),
        "bucc": Recipe(languages=_codes("de fr ru zh"), similarity="margin", max_length=512),
        "tatoeba": Recipe(languages=_TATOEBA, max_length=512),
        "lareqa": Recipe(languages=_codes(_XQUAD), max_length=256),
        "mewsli_x": Recipe(languages=_codes("ar de en es fa ja pl ro ta tr uk"), max_length=64),
        "xvnli": Recipe(
            languages=_codes("ar en es fr ru"), training=("snli_ve",), also_fits=("e_snli_ve",), has_images=True
        ),
        "xflickrco": Recipe(
            languages=_codes("de en es id ja ru tr zh"),
            training=("flickr30k",),
            also_fits=("coco_captions",),
            has_images=True,
        ),
    }
)
"""Evaluation task -> its settings in the literature."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "xtreme": ("xnli", "paws_x", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc", "tatoeba"),
        "xtreme_r": (
            "xnli",
            "xcopa",
            "udpos",
            "panx",
            "xquad",
            "mlqa",
            "tydiqa",
            "mewsli_x",
            "lareqa",
            "tatoeba",
        ),
    }
)
"""Benchmark -> its tasks: XTREME's nine (table 1), and XTREME-R's ten (table 1)."""
