"""Checks the auxiliary training data of an intermediate phase (`beside`): it exists, and keeps the trial zero-shot.

No torch here.
"""

from __future__ import annotations

from trainables.config import TrialConfig
from trainables.config.auxiliary import BESIDE_TASK
from trainables.data.sources.readable import check_content, check_readable
from trainables.errors import ConfigError, InputError, near_matches
from trainables.plan.mixture import languages_of
from trainables.plan.provenance import evaluations_of, phases_of
from trainables.tasks.auxiliary_mlm import phase_specs
from trainables.tasks.registry import task
from trainables.tasks.spec import GeneratedSource, HubSource, TaskSpec


def check_beside(config: TrialConfig) -> None:
    """Check `beside`: only the intermediate phase has it, its tasks have the languages, and the trial stays zero-shot.

    Args:
        config: The trial.

    Raises:
        ConfigError: A rule is broken; `field` is the field of the trial.
    """
    for place, work in phases_of(config).items():
        if work.beside is None:
            continue
        if place != "intermediate":
            raise ConfigError(f"{place}.beside", "is allowed only in the intermediate phase; remove it here")
        try:
            phase_specs(work)
        except InputError as error:
            raise ConfigError(f"{place}.beside.masked_lm.texts", str(error)) from None
        for name in work.mixture if work.beside.translations else ():
            _check_translations(task(name), work.beside.translations, config=config)


def check_beside_data(config: TrialConfig) -> None:
    """Check that the auxiliary training data of phases is readable and no test data, without reading all of it.

    Args:
        config: The trial.

    Raises:
        ConfigError: It cannot be read; `field` is the field of the trial.
    """
    for place, work in phases_of(config).items():
        for name, spec in phase_specs(work).items() if work.beside else ():
            part = "masked_lm" if name == BESIDE_TASK else "translations"
            try:
                for language in languages_of(work, spec, split="train"):
                    check_readable(spec, split="train", language=language)
                    check_content(spec, split="train", language=language)
            except InputError as error:
                raise ConfigError(f"{place}.beside.{part}", str(error)) from None


def _check_translations(spec: TaskSpec, translations: tuple[str, ...], *, config: TrialConfig) -> None:
    field = "intermediate.beside.translations"
    if spec.has_images:
        raise ConfigError(field, f"{spec.name!r} has images; only tasks without images have translations; remove them")
    if spec.training_language in translations:
        message = f"{spec.training_language!r} has no effect: {spec.name!r} is trained in it anyway; remove it"
        raise ConfigError(field, message)
    for language in translations:
        if language not in spec.languages:
            near = near_matches(language, spec.languages)
            offered = " ".join(spec.languages)
            message = f"{spec.name!r} is not available in {language!r}{near}; it has {offered}; choose from these"
            raise ConfigError(field, message)
    targets = [name for place, work in phases_of(config).items() if ".target" in f".{place}" for name in work.mixture]
    for name in (*targets, *(work.task for work in evaluations_of(config).values())):
        if _same_rows(spec, task(name)):
            message = (
                f"translations of {spec.name!r} hold the labels of the target ({name!r}) in other languages, so the "
                "scores in these languages would not be zero-shot; translate another task"
            )
            raise ConfigError(field, message)


def _same_rows(spec: TaskSpec, other: TaskSpec) -> bool:
    """Return whether two tasks read the same data set: one source, in the same configuration or in other languages."""
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
