"""The sweep spec that `xstilts init` writes: commented, with the tasks, the encoder and the devices of this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from trainables.data.sources.availability import availability
from trainables.data.sources.locator import mirror_folder, model_place
from trainables.models.known_encoders import KNOWN_ENCODERS
from trainables.ranks.local_devices import find_gpus
from trainables.tasks.catalogue.all import CATALOGUE
from trainables.tasks.catalogue.evaluation import EVALUATION_TASKS
from trainables.tasks.spec import CompositeSource, GeneratedSource, TaskSpec

TARGET, EVALUATION = "mnli", "xnli"

_NUM_SEARCHED = 4
"""Largest number of tasks in a choice; the others are in a comment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHere:
    """What a new spec can use on this machine."""

    encoder: str | None
    """A multilingual encoder that can be read; None: there is none."""
    is_real: bool
    """Whether encoder, target task and evaluation task can be read; otherwise the spec uses the miniature."""
    text: tuple[str, ...]
    """Text tasks that can be read, in the order of the catalogue."""
    multimodal: tuple[str, ...]
    """Tasks with images that can be read."""
    missing: tuple[str, ...]
    """Tasks that cannot be read."""
    num_gpus: int
    """GPUs that torch can use."""


def find_here() -> FoundHere:
    """Return what this machine has; no network is used.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` does not name a folder.
    """
    offered = [spec for spec in CATALOGUE if _is_intermediate(spec)]
    here = [spec for spec in offered if availability(spec) != "missing"]
    needed = [spec for spec in CATALOGUE if spec.name in {TARGET, EVALUATION}]
    encoder = _encoder()
    is_real = encoder is not None and all(availability(spec) != "missing" for spec in needed)
    return FoundHere(
        encoder=encoder,
        is_real=is_real,
        text=tuple(spec.name for spec in here if not spec.has_images),
        multimodal=tuple(spec.name for spec in here if spec.has_images),
        missing=tuple(spec.name for spec in offered if spec not in here),
        num_gpus=find_gpus().num_in_torch,
    )


def spec_text(name: str, found: FoundHere, *, file: str) -> str:
    """Return a commented spec.

    Args:
        name: Name of the sweep.
        found: What this machine has.
        file: Name of the file that the spec is written to, for the commands in its comments.
    """
    parts = [_HEAD.format(name=name, file=file, question=_QUESTION[found.is_real])]
    parts.append(_REAL_TRIAL.format(encoder=found.encoder, target=TARGET, evaluation=EVALUATION, engine=_engine(found)))
    families = _real_families(found)
    rates = "[1e-5, 5e-5], default: 2e-5"
    if not found.is_real:
        parts[1], families = (
            _MINIATURE_TRIAL.format(encoder=found.encoder or KNOWN_ENCODERS[0].name),
            _MINIATURE_FAMILIES,
        )
        rates = "[1.5e-3, 4e-3], default: 3e-3"
    return "\n".join([*parts, families, _TAIL.format(rates=rates)])


def _encoder() -> str | None:
    """Return the first published encoder that can be read, else the first one of a known family in the mirror."""
    for known in KNOWN_ENCODERS:
        if model_place(known.name) != "missing":
            return known.name
    folder, families = mirror_folder(), {known.family for known in KNOWN_ENCODERS}
    for config in sorted((folder / "models").glob("*/*/config.json")) if folder is not None else ():
        document = json.loads(config.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("model_type") in families:
            return "/".join(config.parent.parts[-2:])
    return None


def _is_intermediate(spec: TaskSpec) -> bool:
    """Return whether a task can train an intermediate phase of a search on real data."""
    is_other = isinstance(spec.source, CompositeSource | GeneratedSource) or spec in EVALUATION_TASKS
    is_other |= spec.kind == "distillation"  # its phase needs a teacher as well
    return "train" in spec.splits and spec.name not in {TARGET, EVALUATION} and not is_other


def _engine(found: FoundHere) -> str:
    if not found.num_gpus:
        return "{num_workers: 1}   # no GPU was found here: each rank computes on the CPU"
    several = "" if found.num_gpus == 1 else "; num_workers: 2 shards a trial over two of them"
    return f"{{num_workers: 1}}   # GPUs found here: {found.num_gpus}{several}"


def _real_families(found: FoundHere) -> str:
    text = _family("text", found.text, more="")
    images = _family("multimodal", found.multimodal, more="    vision: {tower: small}   # trained with the encoder\n")
    missing = f"\n  # Not readable here (`xstilts tasks` says why): {', '.join(found.missing)}" if found.missing else ""
    return f"{_FAMILIES}{missing}\n{text}{images}{_CONTROL}"


def _family(family: str, tasks: Sequence[str], *, more: str) -> str:
    if not tasks:
        return f"  # {family}: no task of this family can be read here\n"
    searched, others = tasks[:_NUM_SEARCHED], tasks[_NUM_SEARCHED:]
    comment = f"   # or {', '.join(others)}" if others else ""
    mixture = searched[0] if len(searched) == 1 else f"{{choice: [{', '.join(searched)}]}}"
    return f"  {family}:\n    mixture: {mixture}{comment}\n{more}{_SEARCHED}"


_QUESTION = {
    True: "Which intermediate task helps zero-shot XNLI most?",
    False: "Which intermediate task helps zero-shot NLI most? (generated world)",
}

_HEAD = """# A sweep spec, written by `xstilts init`. Every field: docs/api.md; its space: docs/how-to/spaces.md.
#   xstilts spaces {file}              checks it, and shows what it searches
#   xstilts search {file} --dry-run    forecasts its cost
#   xstilts search {file}              runs it; the same command continues it after an interruption
name: {name}
description: "{question}"
objective: average     # average over languages | english | worst | the average of a benchmark: xtreme_r
seed: 0
trials: 24             # with failed ones; raise it to search longer
concurrency: null      # as many trials at the same time as there are devices for
# sampler, rungs and pruner: if they are not here, a new sweep gets the defaults that save most steps
# budget: {{gpu_hours: 10}}           # other bounds: steps, hours, dollars
# track: [{{tensorboard: runs}}]      # or mlflow, wandb, webhook: docs/how-to/track.md
# tasks: [mine.task.yaml]           # your own tasks, as files beside this one: docs/how-to/own-task.md
"""

_REAL_TRIAL = """# Settings of every trial. A field that is not here has the default of docs/api.md.
trial:
  encoder: {{name: {encoder}}}   # any of `xstilts encoders`, or a folder with one
  intermediate: {{batch_size: 32, max_length: 128}}   # for every family but `none`
  target:
    mixture: {{{target}: 1.0}}
    epochs: 2
  evaluation: {{task: {evaluation}}}   # num_items: 200 scores fewer dev items, for a first look
  engine: {engine}
"""

_MINIATURE_TRIAL = """# {encoder} or its data cannot be read here (`xstilts tasks`, `xstilts doctor`). This spec uses
# the generated world that is in the package. Its scores mean nothing for real tasks.
trial:
  encoder: {{name: miniature}}
  intermediate: {{batch_size: 32, max_length: 64, dropout: 0.0}}   # for every family but `none`
  target: {{mixture: {{miniature_nli: 1.0}}, steps: 400, batch_size: 32, max_length: 64, dropout: 0.0}}
  evaluation: {{task: miniature_nli, num_items: 500, max_length: 64}}
  engine: {{num_workers: 1, threads_per_rank: 1}}
"""

_FAMILIES = """# Settings and parameters of each family of intermediate training.
families:
  none: {}             # the baseline: no intermediate training"""

_SEARCHED = """    learning_rate: {log: [5e-6, 3e-5], default: 1e-5}
    steps: {choice: [2000, 5000], default: 2000}
"""

_CONTROL = """  control:             # the target task for as many steps: the effect of more training alone
    mixture: mnli@equal_compute
    learning_rate: 1e-5
    steps: {choice: [2000, 5000], default: 2000}
"""

_MINIATURE_FAMILIES = """# Settings and parameters of each family of intermediate training.
families:
  none: {}             # the baseline: no intermediate training
  text:
    mixture: {choice: [miniature_qa, miniature_choice]}
    steps: 800
    learning_rate: 1e-3
  multimodal:
    mixture: {choice: [miniature_entailment, miniature_retrieval]}
    vision: {tower: miniature, freeze: true}
    steps: 800
    learning_rate: 3e-3
"""

_TAIL = """# Parameters that are searched in every family.
search:
  target.learning_rate: {{log: {rates}}}
"""
