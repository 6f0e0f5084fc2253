"""Whether what stands beside an intermediate phase is there, and leaves the trial zero-shot. No torch."""

from __future__ import annotations

from trainables.config import TrialConfig
from trainables.data.readable import check_readable
from trainables.errors import ConfigError, InputError, near_matches
from trainables.plan.mixture import BESIDE_TASK, languages_of
from trainables.plan.provenance import evaluations_of, phases_of
from trainables.tasks.beside import phase_specs
from trainables.tasks.registry import task
from trainables.tasks.spec import GeneratedSource, HubSource, TaskSpec


def check_beside(config: TrialConfig) -> None:
    """Return when only the intermediate phase has something beside it, its tasks offer it, and labels stay zero-shot.

    Args:
        config: The trial.

    Raises:
        ConfigError: Something does not hold; `field` is the field of the trial.
    """
    for place, work in phases_of(config).items():
        if work.beside is None:
            continue
        if place != "intermediate":
            raise ConfigError(f"{place}.beside", "stands beside the intermediate phase only; leave it out here")
        try:
            phase_specs(work)
        except InputError as error:
            raise ConfigError(f"{place}.beside.masked_lm.texts", str(error)) from None
        for name in work.mixture if work.beside.translations else ():
            _check_translations(task(name), work.beside.translations, config=config)


def check_beside_data(config: TrialConfig) -> None:
    """Return when what stands beside phases can be read, as far as that is known without reading it.

    Args:
        config: The trial.

    Raises:
        ConfigError: It cannot; `field` is the field of the trial.
    """
    for place, work in phases_of(config).items():
        for name, spec in phase_specs(work).items() if work.beside else ():
            part = "masked_lm" if name == BESIDE_TASK else "translations"
            try:
                for language in languages_of(work, spec, split="train"):
                    check_readable(spec, split="train", language=language)
            except InputError as error:
                raise ConfigError(f"{place}.beside.{part}", str(error)) from None


def _check_translations(spec: TaskSpec, translations: tuple[str, ...], *, config: TrialConfig) -> None:
    field = "intermediate.beside.translations"
    if spec.has_images:
        raise ConfigError(field, f"{spec.name!r} has images, and copies of texts alone are made; leave them out")
    if spec.training_language in translations:
        raise ConfigError(field, f"{spec.training_language!r} is what {spec.name!r} is trained in anyway; leave it out")
    for language in translations:
        if language not in spec.languages:
            near = near_matches(language, spec.languages)
            offered = " ".join(spec.languages)
            message = f"{spec.name!r} has no copy in {language!r}{near}; it has {offered}; choose of them"
            raise ConfigError(field, message)
    targets = [name for place, work in phases_of(config).items() if ".target" in f".{place}" for name in work.mixture]
    for name in (*targets, *(work.task for work in evaluations_of(config).values())):
        if _same_rows(spec, task(name)):
            message = (
                f"copies of {spec.name!r} are the target's own labels ({name!r}) in other languages: what is scored in "
                "them would no longer be zero-shot; translate another task"
            )
            raise ConfigError(field, message)


def _same_rows(spec: TaskSpec, other: TaskSpec) -> bool:
    """Return whether two tasks draw on one data set: the same source, whatever the configuration in a repository."""
    base = spec.control.of if spec.control else spec.name
    if base == other.name:
        return True
    match spec.source, other.source:
        case HubSource() as mine, HubSource() as theirs:
            same_config = mine.config == theirs.config or "{language}" in f"{mine.config}{theirs.config}"
            return mine.repository == theirs.repository and same_config
        case GeneratedSource() as mine, GeneratedSource() as theirs:
            return mine.generator == theirs.generator
        case _:
            return False
