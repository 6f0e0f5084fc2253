"""What a store of stand-in stages should hold and what its trials should do, worked out apart from the store's code.

The rules, by which `World` foretells what the ranks of a trial do, step by step, from what lies on the disk:

- A stage whose files and manifest are as they were written, and whose ancestors are those it was made from, is used.
- Any other is made: from its newest whole checkpoint, if that was made from the same ancestors; else from its trunk;
  else from the beginning. A trunk is needed only where the stage that continues it is made.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.trainables_tests.stand_in import (
    WEIGHTS,
    Files,
    Order,
    evaluation_files,
    first_state,
    next_state,
    phase_files,
    trunk_files,
)
from trainables.config import EvaluationConfig, PhaseConfig, RungsConfig, TrialConfig
from trainables.config.frozen import content_key
from trainables.plan.provenance import phases_of, read_provenance
from trainables.plan.schedule import trunk_end
from trainables.plan.stage_plan import Stage, plan_stages
from trainables.plan.starting_weights import encoder_folder

REPOSITORY = Path(__file__).parents[2]
NUM_VARIANTS = 2

Variants = tuple[int, ...]
"""The variant of each training phase up to and with a stage's own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that climbs."""

    config: TrialConfig
    rungs: RungsConfig

    def plan(self, rung: int) -> tuple[Stage, ...]:
        provenance = read_provenance(self.config)
        return plan_stages(self.config, provenance=provenance, rungs=self.rungs, rung=rung)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What should come of a run."""

    done: list[str]
    """Diary of its ranks: stage and step, in order."""
    holds: dict[str, Variants]
    """Stage -> what the store then holds of it, for all that the trial uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A checkpoint on the disk."""

    step: int
    variants: Variants
    made_from: set[str]


@dataclass(slots=True)
class Truth:
    """What stages hold when nothing goes wrong, by direct computation: every phase trained in one go."""

    stages: dict[str, Stage] = field(default_factory=dict[str, Stage])
    states: dict[str, dict[Variants, list[bytes]]] = field(default_factory=dict[str, dict[Variants, list[bytes]]])
    """Stage that trains -> state before and after each of its phase's steps."""
    files: dict[str, dict[Variants, Files]] = field(default_factory=dict[str, dict[Variants, Files]])

    def add(self, trial: Trial, *, rung: int) -> None:
        plan, config = trial.plan(rung), trial.rungs.at(rung, config=trial.config)
        self.stages |= {stage.key: stage for stage in plan}
        works = phases_of(config)
        for variants in itertools.product(range(NUM_VARIANTS), repeat=len(works)):
            files: Files = {WEIGHTS: (encoder_folder(config.encoder.name, revision=None) / WEIGHTS).read_bytes()}
            for number, (phase, work) in enumerate(works.items()):
                states = _trained(files[WEIGHTS], work=work, variant=variants[number])
                files = phase_files(states, phase=phase)
                for stage in plan:
                    if stage.phase == phase:
                        self._put(stage, variants[: number + 1], states=states, files=files)
            self.files.setdefault(plan[-1].key, {})[variants] = evaluation_files(files, work=config.evaluation)

    def parents(self, key: str) -> set[str]:
        """Return the stages that a stage starts from, directly or not. Its trunks depend on who makes it."""
        parent = self.stages[key].parent
        return {parent} | self.parents(parent) if parent else set()

    def end(self, key: str) -> int:
        """Return the steps of its phase that are done at a stage's end."""
        work = self.stages[key].work
        assert isinstance(work, PhaseConfig)
        assert work.steps is not None
        return trunk_end(work.schedule, num_steps=work.steps) if self.stages[key].is_trunk else work.steps

    def _put(self, stage: Stage, variants: Variants, *, states: list[bytes], files: Files) -> None:
        end = self.end(stage.key)
        self.states.setdefault(stage.key, {})[variants] = states[: end + 1]
        held = trunk_files(states[: end + 1]) if stage.is_trunk else files
        self.files.setdefault(stage.key, {})[variants] = held


class World:
    """A store on a disk, trials, and what is known of both.

    Args:
        root: The store's folder.
        trials: All that run on it.
        server: Runs them.
    """

    def __init__(self, root: Path, *, trials: Sequence[Trial], server: Server) -> None:
        self.root, self.trials, self._server = root, trials, server
        self.truth = Truth()
        for trial in trials:
            for rung in range(trial.rungs.num):
                self.truth.add(trial, rung=rung)
        self._num_runs = 0
        self._claimed: dict[str, Variants] = {}

    def start(self, orders: Sequence[Order]) -> tuple[list[int], list[list[str]]]:
        """Run trials at once; returns their exit codes and diaries."""
        named = [order.model_copy(update={"store": str(self.root), "diary": str(self._diary())}) for order in orders]
        codes = self._server.run(named)
        for code, order in zip(codes, named, strict=True):
            assert code != 1, Path(order.diary).with_suffix(".error").read_text()
        diaries = [Path(order.diary) for order in named]
        return codes, [diary.read_text().splitlines() if diary.exists() else [] for diary in diaries]

    def holds(self) -> dict[str, Variants]:
        """Return what the store holds: whole stages, each of which must be right for some variants of its phases."""
        found: dict[str, Variants] = {}
        for key, possible in self.truth.files.items():
            files = _whole_files(self.folder(key))
            if files is None:
                if not _is_sealed(self.folder(key)):
                    self._claimed.pop(key, None)
                continue
            right = [variants for variants, expected in possible.items() if expected == files]
            assert right, f"{self.name(key)} holds what nothing explains"
            found[key] = self._claimed[key] = right[0]
        return found

    def checkpoints(self, key: str) -> list[Kept]:
        """Return a stage's whole checkpoints, the newest first."""
        return [
            Kept(
                step=int(folder.name.split("-")[0]),
                variants=self._variants_of_checkpoint(key, files),
                made_from=self.made_from(key, folder),
            )
            for folder in sorted(self.root.glob(f"checkpoints/{key}/*"), reverse=True)
            if (files := _whole_files(folder)) is not None
        ]

    def made_from(self, key: str, folder: Path) -> set[str]:
        """Return the ancestors of what a folder holds of a stage: parents by its key, trunks by its manifest."""
        manifest = json.loads((folder / "manifest.json").read_bytes())
        return self.truth.parents(key) | set(manifest.get("lineage", {}))

    def foretell(self, orders: Iterable[Order]) -> Foretold:
        """Return what trials do that run one after the other."""
        return _Telling(self, claimed=self._claimed).tell(orders)

    def plan(self, order: Order) -> tuple[Stage, ...]:
        return Trial(order.config, order.rungs).plan(order.rung)

    def folder(self, key: str) -> Path:
        return self.root / "stages" / key[:2] / key

    def name(self, key: str) -> str:
        stage = self.truth.stages[key]
        return f"{'trunk of ' if stage.is_trunk else ''}{stage.phase} stage {key[:12]}"

    def _diary(self) -> Path:
        self._num_runs += 1
        return self.root.with_name(f"{self.root.name}-diary-{self._num_runs}")

    def _variants_of_checkpoint(self, key: str, files: Files) -> Variants:
        step = len(json.loads(files["state.json"])["losses"])
        possible = self.truth.states[key].items()
        right = [variants for variants, states in possible if trunk_files(states[: step + 1]) == files]
        assert right, f"a checkpoint of {self.name(key)} holds what nothing explains"
        return right[0]


class _Telling:
    """The rules of the module, followed from what lies on the disk."""

    def __init__(self, world: World, *, claimed: dict[str, Variants]) -> None:
        self._world, self._truth = world, world.truth
        self._holds = world.holds()
        self._made_from = {key: world.made_from(key, world.folder(key)) for key in self._holds}
        self._claimed = dict(claimed)
        """What the readable manifests say that their stages hold, whether or not their files still do."""
        self._done: list[str] = []

    def tell(self, orders: Iterable[Order]) -> Foretold:
        used: dict[str, Variants] = {}
        for order in orders:
            plan = {stage.key: stage for stage in self._world.plan(order)}
            for stage in plan.values():
                if not stage.is_trunk:
                    self._obtain(stage, plan=plan, variant=order.variant)
                    used[stage.key] = self._holds[stage.key]
        return Foretold(done=self._done, holds=used)

    def _obtain(self, stage: Stage, *, plan: Mapping[str, Stage], variant: int) -> None:
        key = stage.key
        if key in self._holds and self._agrees(self._holds[key], made_from=self._made_from[key]):
            return
        if stage.continues:
            self._obtain(plan[stage.continues], plan=plan, variant=variant)
        if isinstance(stage.work, EvaluationConfig):
            assert stage.parent
            self._done.append(f"{key} scored")
            made = self._holds[stage.parent]
        else:
            first, made = self._begin(stage, variant=variant)
            self._done += [f"{key} {step}" for step in range(first, self._truth.end(key))]
        self._holds[key] = self._claimed[key] = made
        direct = {one for one in (stage.parent, stage.continues) if one}
        self._made_from[key] = direct.union(*(self._made_from[one] for one in direct))

    def _begin(self, stage: Stage, *, variant: int) -> tuple[int, Variants]:
        for kept in self._world.checkpoints(stage.key):
            if self._agrees(kept.variants, made_from=kept.made_from):
                return kept.step, kept.variants
        if stage.continues:
            return self._truth.end(stage.continues), self._holds[stage.continues]
        return 0, (*(self._holds[stage.parent] if stage.parent else ()), variant)

    def _agrees(self, variants: Variants, *, made_from: set[str]) -> bool:
        """Return whether what was made is of the ancestors that the store now names."""
        named = [self._claimed[one] for one in made_from if one in self._claimed]
        return all(variants[: len(one)] == one for one in named)


class Server:
    """The process that runs trials; see `stand_in_process`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.trainables_tests.stand_in_process"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )

    def run(self, orders: Sequence[Order]) -> list[int]:
        """Run trials at once; returns their processes' exit codes."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([order.model_dump(mode="json") for order in orders]) + "\n")
        self._process.stdin.flush()
        return [int(code) for code in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        self._process.communicate()


def _trained(weights: bytes, *, work: PhaseConfig, variant: int) -> list[bytes]:
    states = [first_state(weights, work=work, variant=variant)]
    for step in range(work.steps or 0):
        states.append(next_state(states[-1], step=step, work=work))
    return states


def _whole_files(folder: Path) -> Files | None:
    """Return the files of a stage or checkpoint if all are as its manifest says, else None."""
    if not _is_sealed(folder):
        return None
    files: Files = {}
    for name, entry in json.loads((folder / "manifest.json").read_bytes())["files"].items():
        content = (folder / name).read_bytes() if (folder / name).is_file() else b""
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            return None
        files[name] = content
    return files


def _is_sealed(folder: Path) -> bool:
    try:
        fields = json.loads((folder / "manifest.json").read_bytes())
        return fields.pop("seal") == content_key(fields)
    except (OSError, ValueError):
        return False


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder in a fixed order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
