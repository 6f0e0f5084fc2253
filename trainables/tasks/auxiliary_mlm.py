"""The auxiliary masked-LM task of an intermediate phase (`beside.masked_lm`). No torch here.

It is not in the catalogue: a phase's configuration defines it.
"""

from __future__ import annotations

import re

from trainables.config import PhaseConfig
from trainables.config.auxiliary import BESIDE_TASK, MaskedLmBeside
from trainables.errors import UnavailableError
from trainables.names import expanded
from trainables.tasks.registry import task
from trainables.tasks.spec import MaskingPolicy, TaskSpec
from trainables.tasks.texts_source import TextsSource

WIKIPEDIA = "wikimedia/wikipedia"
"""Each of its configurations is the date of a dump and a language; the newest dump in it is of 2023-11-01."""

_CONFIGS = {WIKIPEDIA: "20231101.{language}"}
_REVISIONS = {WIKIPEDIA: "b04c8d1ceb2f5cd4588862100d08de323dccfbaa"}
_REPOSITORY = re.compile(r"^[\w.-]+/[\w.-]+$")


def phase_specs(work: PhaseConfig) -> dict[str, TaskSpec]:
    """Return name -> specification of every task that a phase trains, including its auxiliary masked-LM task.

    Raises:
        UnknownTaskError: A task is not known.
        UnavailableError: The folder of texts does not exist.
    """
    specs = {name: task(name) for name in work.mixture}
    if work.beside and work.beside.masked_lm:
        specs[BESIDE_TASK] = beside_spec(work.beside.masked_lm)
    return specs


def beside_spec(beside: MaskedLmBeside, *, must_exist: bool = True) -> TaskSpec:
    """Return the auxiliary masked-LM task of a phase.

    Args:
        beside: Its configuration.
        must_exist: Whether it is to be trained, so that its folder must exist.

    Raises:
        UnavailableError: The folder of texts does not exist, and must.
    """
    return TaskSpec(
        name=BESIDE_TASK,
        kind="masked_lm",
        source=_source(beside, must_exist=must_exist),
        splits={"train": ("train",), "validation": ("validation",)},
        columns={"text": "text"},
        languages=beside.languages,
        metric="masked_accuracy",
        masking=MaskingPolicy(),
        licence="That of the texts; Wikipedia's is CC BY-SA 3.0 and GFDL",
        citation="Phang et al. 2020, arXiv 2005.13013 (multilingual masked LM beside the intermediate task)",
    )


def _source(beside: MaskedLmBeside, *, must_exist: bool) -> TextsSource:
    folder = expanded(beside.texts, what="beside.masked_lm.texts")
    is_path = not _REPOSITORY.match(beside.texts) or beside.texts.startswith((".", "~", "/"))
    if folder.is_dir() or (is_path and not must_exist):
        return TextsSource(folder=str(folder.absolute()), num_texts=beside.num_texts)
    if is_path:
        msg = (
            f"the folder {beside.texts!r} does not exist; give a folder with <language>.txt, or a repository owner/name"
        )
        raise UnavailableError(msg)
    return TextsSource(
        repository=beside.texts,
        config=_CONFIGS.get(beside.texts, "{language}"),
        revision=_REVISIONS.get(beside.texts),
        num_texts=beside.num_texts,
    )
