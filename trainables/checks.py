"""What must hold before anything of a trial is started. No torch: a mistake is answered within a second."""

from __future__ import annotations

import json

from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig
from trainables.control_checks import check_controls
from trainables.data.locate import check_encoder_folder, locate_model, locate_vision, mirror_folder
from trainables.data.readable import check_readable
from trainables.errors import ConfigError
from trainables.provenance import phases_of
from trainables.tasks.registry import task


def check_trial(config: TrialConfig) -> None:
    """Check everything about a trial that can be known without loading data or weights.

    Raises:
        InputError: What is wrong, where, and what to do.
    """
    mirror_folder()  # one that is set wrongly is refused also where nothing is read from it yet
    for phase, work in phases_of(config).items():
        _check_phase(phase, work)
    check_controls(config)
    _check_target(config)
    _check_evaluation(config.evaluation)
    _check_engine(config)
    _check_encoder(config)
    _check_data(config)


def _check_phase(phase: str, work: PhaseConfig) -> None:
    specs = [task(name) for name in work.mixture]
    with_images = [spec.name for spec in specs if spec.has_images]
    if with_images and work.vision is None:
        raise ConfigError(
            f"{phase}.vision", f"{with_images[0]!r} has images and needs a vision tower; set tower: small"
        )
    if work.vision is not None and not with_images:
        raise ConfigError(f"{phase}.vision", f"no task of {', '.join(work.mixture)} has images; leave vision out")
    for spec in specs:
        if "train" not in spec.splits:
            message = (
                f"{spec.name!r} has no train split (it is for evaluation); choose a task that `xstilts tasks` trains"
            )
            raise ConfigError(f"{phase}.mixture", message)
        if work.num_dev_items and "validation" not in spec.splits:
            message = f"{work.num_dev_items}, but {spec.name!r} has no validation split to score; set num_dev_items: 0"
            raise ConfigError(f"{phase}.num_dev_items", message)
        if phase == "pretraining" and spec.kind != "masked_lm":
            raise ConfigError("pretraining.mixture", f"{spec.name!r} is {spec.kind}; pretraining takes masked_lm tasks")
    if work.vision is not None:
        _check_vision(phase, work.vision.tower)


def _check_vision(phase: str, tower: str) -> None:
    if tower == "small":
        return
    location = locate_vision(tower)
    if location.path is not None and not (location.path / "config.json").is_file():
        raise ConfigError(
            f"{phase}.vision.tower", f"{str(location.path)!r} holds no config.json; give a vision checkpoint"
        )


def _check_target(config: TrialConfig) -> None:
    names = list(config.target.mixture)
    if len(names) != 1:
        raise ConfigError("target.mixture", f"{', '.join(names)}: the target is one task; mix tasks in `intermediate`")
    target, evaluated = task(names[0]), task(config.evaluation.task)
    if (target.kind, target.labels) != (evaluated.kind, evaluated.labels):
        message = (
            f"{evaluated.name!r} ({evaluated.kind}: {', '.join(evaluated.labels)}) cannot be scored with the head of "
            f"{target.name!r} ({target.kind}: {', '.join(target.labels)}); both need one kind and the same labels"
        )
        raise ConfigError("evaluation.task", message)


def _check_evaluation(evaluation: EvaluationConfig) -> None:
    spec = task(evaluation.task)
    missing = [language for language in evaluation.languages if language not in spec.languages]
    if missing:
        message = f"{spec.name!r} has no {missing[0]!r}; it has {' '.join(spec.languages)}"
        raise ConfigError("evaluation.languages", message)
    if evaluation.split not in spec.splits:
        raise ConfigError(
            "evaluation.split", f"{spec.name!r} has no {evaluation.split!r}; it has {', '.join(spec.splits)}"
        )


def _check_engine(config: TrialConfig) -> None:
    engine = config.engine
    least = {"none": 0, "optimizer": 1, "all": 3}[engine.offload]
    if engine.zero_stage < least:
        message = (
            f"{engine.offload!r} needs ZeRO stage {least} or above, not {engine.zero_stage}; raise engine.zero_stage"
        )
        raise ConfigError("engine.offload", message)


def _check_encoder(config: TrialConfig) -> None:
    location = locate_model(config.encoder.name)
    if config.encoder.revision is not None and location.kind in {"packaged", "folder"}:
        message = f"{config.encoder.revision!r} has no effect on {config.encoder.name!r}, a folder; leave it out"
        raise ConfigError("encoder.revision", message)
    if location.path is None:
        return
    check_encoder_folder(location.path)
    shape = json.loads((location.path / "config.json").read_text())
    num_layers, num_positions = shape.get("num_hidden_layers"), shape.get("max_position_embeddings")
    if shape.get("model_type") == "xlm-roberta" and num_positions is not None:
        num_positions -= 2  # XLM-R's positions start behind the padding's
    lengths = {phase: work.max_length for phase, work in phases_of(config).items()}
    for part, length in (lengths | {"evaluation": config.evaluation.max_length}).items():
        if num_positions is not None and length > num_positions:
            message = f"{length}, but {config.encoder.name!r} reads at most {num_positions} tokens; lower it"
            raise ConfigError(f"{part}.max_length", message)
    for phase, work in phases_of(config).items():
        if num_layers is not None and work.freeze_layers > num_layers:
            message = f"{work.freeze_layers} of {config.encoder.name!r}'s {num_layers} layers; at most {num_layers}"
            raise ConfigError(f"{phase}.freeze_layers", message)


def _check_data(config: TrialConfig) -> None:
    """Check of every task the splits and languages that the trial reads, each once."""
    wanted: dict[tuple[str, str, str], None] = {}
    for work in phases_of(config).values():
        for name in work.mixture:
            language = task(name).training_language
            wanted[name, "train", language] = None
            if work.num_dev_items:
                wanted[name, "validation", language] = None
    for language in config.evaluation.languages:
        wanted[config.evaluation.task, config.evaluation.split, language] = None
    for name, split, language in wanted:
        check_readable(task(name), split=split, language=language)
