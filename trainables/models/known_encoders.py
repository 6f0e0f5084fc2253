"""Published multilingual encoders: what is known of each. Their weights are not part of this package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEncoder:
    """A published encoder."""

    name: str
    """Its name on the hub."""
    family: str
    """Value of `model_type` in its config.json."""
    parameters: str
    """Number of parameters as its authors give it."""
    languages: str
    """Number of languages of its pretraining."""
    xnli: float | None = None
    """Published zero-shot accuracy on XNLI's test split, mean over 15 languages, in percent."""
    source: str
    """Where the numbers are from."""


_XTREME = "arXiv 2003.11080, table 2"
_DEBERTA = "arXiv 2111.09543"
_XL = "arXiv 2105.00572"

KNOWN_ENCODERS = (
    KnownEncoder(
        name="FacebookAI/xlm-roberta-base",
        family="xlm-roberta",
        parameters="270 M",
        languages="100",
        xnli=76.2,
        source=f"arXiv 1911.02116; XNLI: {_DEBERTA}",
    ),
    KnownEncoder(
        name="FacebookAI/xlm-roberta-large",
        family="xlm-roberta",
        parameters="550 M",
        languages="100",
        xnli=79.2,
        source=f"arXiv 1911.02116; XNLI: {_XTREME}",
    ),
    KnownEncoder(
        name="google-bert/bert-base-multilingual-cased",
        family="bert",
        parameters="178 M",
        languages="104",
        xnli=65.4,
        source=f"arXiv 1810.04805; XNLI: {_XTREME}",
    ),
    KnownEncoder(
        name="microsoft/mdeberta-v3-base",
        family="deberta-v2",
        parameters="276 M",
        languages="100",
        xnli=79.8,
        source=_DEBERTA,
    ),
    KnownEncoder(
        name="jhu-clsp/mmBERT-base",
        family="modernbert",
        parameters="307 M",
        languages="over 1800",
        source="its model card",
    ),
    KnownEncoder(
        name="facebook/xlm-roberta-xl", family="xlm-roberta-xl", parameters="3.5 B", languages="100", source=_XL
    ),
    KnownEncoder(
        name="facebook/xlm-roberta-xxl", family="xlm-roberta-xl", parameters="10.7 B", languages="100", source=_XL
    ),
    KnownEncoder(
        name="google/rembert", family="rembert", parameters="576 M", languages="110", source="arXiv 2010.12821"
    ),
    KnownEncoder(
        name="EuroBERT/EuroBERT-210m", family="eurobert", parameters="210 M", languages="15", source="arXiv 2503.05500"
    ),
)
"""The encoders that `xstilts encoders` lists; any other checkpoint of a family works too."""
