"""Tasks of XTREME and XTREME-R whose rows are not on the hub as a data set: a description of each, and the reason.

A user can bring a copy under such a name, in a task file or by an entry point. It is then a task like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trainables.config.frozen import FrozenModel
from trainables.config.literature import LITERATURE, OUT_OF_REACH
from trainables.tasks.spec import KindName


class DeclaredTask(FrozenModel):
    """Description of a task that is not on the hub as a data set."""

    name: str
    """Name in the literature; a task file with a copy has the same name."""
    kind: KindName
    """Kind that a copy must have."""
    metric: str
    """Metric of the benchmark, which a task file can name."""
    languages: tuple[str, ...]
    """Languages that the benchmark scores."""
    licence: str
    """Licence as its authors state it."""
    citation: str
    """Paper that introduced it."""
    reason: str
    """Why no data set of the hub can be used."""


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
