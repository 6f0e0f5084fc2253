"""How the literature trains for and scores each evaluation task: XTREME, XTREME-R and their published scripts.

Plain data without any import of ours, so that a configuration can be completed from it.

Sources: Hu et al. 2020 (arXiv 2003.11080), Ruder et al. 2021 (arXiv 2104.07412), and the hyperparameters of the scripts
in google-research/xtreme (`scripts/train_*.sh`, `run_tatoeba.sh`, `run_bucc2018.sh`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a benchmark trains for and scores one task."""

    languages: tuple[str, ...]
    """Languages that it scores."""
    training: tuple[str, ...] = ()
    """English training sets, one phase each, in order; none: the encoder is scored as it is."""
    also_fits: tuple[str, ...] = ()
    """Further training sets whose classes mean the same under other names."""
    learning_rate: float = 2e-5
    """Peak learning rate."""
    epochs: float = 5
    """Passes over each training set."""
    max_length: int = 128
    """Longest input in tokens, in training and scoring."""


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PANX = _codes(
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi "
    "yo zh"
)
# Without kk, th, tl and yo: they have no dev split, and a search sees nothing else.
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
        "bucc": Recipe(languages=_codes("de fr ru zh"), max_length=512),
        "tatoeba": Recipe(languages=_TATOEBA, max_length=512),
        "lareqa": _qa(_XQUAD, training="squad"),
        "mewsli_x": Recipe(languages=_codes("ar de en es fa ja pl ro ta tr uk")),
    }
)
"""Evaluation task -> how the literature does it."""

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

OUT_OF_REACH: Mapping[str, str] = MappingProxyType(
    {
        "bucc": "BUCC's comparable corpora are not on the hub as a data set: the copies there hold the gold pairs "
        "alone, among which every sentence has a partner and mining has nothing to reject",
        "tydiqa": "the hub's google/xtreme keeps its nine languages in one configuration, told apart by the prefix of "
        "`id` alone; write each language to a file of its own",
        "lareqa": "the hub's XQuAD-R has no sentence boundaries, and LAReQA's candidates are sentences",
        "mewsli_x": "its texts are rebuilt from WikiNews dumps by a script of google-research; no data set holds them",
    }
)
"""Evaluation task -> why its rows cannot be had from the hub as a data set. Bring your own copy as a task file."""
