"""Tasks of XTREME and XTREME-R whose rows no data set holds: named, described, and refused with the reason.

A user's own copy takes such a name by a task file or an entry point; it is then a task like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trainables.config.frozen import FrozenModel
from trainables.config.literature import LITERATURE, OUT_OF_REACH
from trainables.tasks.spec import KindName


class DeclaredTask(FrozenModel):
    """What is known of a task that cannot be had."""

    name: str
    """Name in the literature, and of a task file that brings a copy."""
    kind: KindName
    """Format that a copy has."""
    metric: str
    """Score of the benchmark, which a task file may name."""
    languages: tuple[str, ...]
    """Languages that the benchmark scores."""
    licence: str
    """Licence as its authors state it."""
    citation: str
    """Paper that introduced it."""
    reason: str
    """Why it cannot be had."""


def _declared(name: str, *, kind: KindName, metric: str, licence: str, citation: str) -> DeclaredTask:
    return DeclaredTask(
        name=name,
        kind=kind,
        metric=metric,
        languages=LITERATURE[name].languages,
        licence=licence,
        citation=citation,
        reason=OUT_OF_REACH[name],
    )


DECLARED: Mapping[str, DeclaredTask] = MappingProxyType(
    {
        "bucc": _declared(
            "bucc",
            kind="text_retrieval",
            metric="mining_f1",
            licence="Unknown; Wikipedia's and News Commentary's texts",
            citation="Zweigenbaum et al. 2018, 11th Workshop on Building and Using Comparable Corpora",
        ),
        "tydiqa": _declared(
            "tydiqa", kind="span_qa", metric="f1", licence="Apache-2.0", citation="Clark et al. 2020, arXiv 2003.05002"
        ),
        "lareqa": _declared(
            "lareqa",
            kind="text_retrieval",
            metric="map_at_20",
            licence="CC BY-SA 4.0 (XQuAD-R)",
            citation="Roy et al. 2020, arXiv 2004.05484",
        ),
        "mewsli_x": _declared(
            "mewsli_x",
            kind="text_retrieval",
            metric="map_at_20",
            licence="Unknown; WikiNews's texts",
            citation="Ruder et al. 2021, arXiv 2104.07412, section 3",
        ),
    }
)
"""Name -> task, for each of `trainables.config.literature.OUT_OF_REACH`."""
