"""What must hold before anything of a trial is started. No torch: a mistake is answered within a second."""

from __future__ import annotations

from trainables.checks.beside import check_beside, check_beside_data
from trainables.checks.controls import check_controls
from trainables.config import EngineConfig, EvaluationConfig, PhaseConfig, TrialConfig
from trainables.config.deepspeed_settings import ZERO
from trainables.config.literature import LITERATURE
from trainables.data.left_out import tell_once, warnings_of
from trainables.data.locate import locate_model, locate_vision, mirror_folder
from trainables.data.readable import check_readable
from trainables.errors import ConfigError
from trainables.models.pretrained.encoder_folder import check_encoder_folder, encoder_shape
from trainables.models.pretrained.vision_folder import check_vision_folder
from trainables.models.vision_shape import num_tokens
from trainables.plan.provenance import evaluations_of, phases_of
from trainables.plan.starting_weights import check_finite
from trainables.tasks.registry import task
from trainables.tasks.spec import SCORED_KINDS, TaskSpec


def check_trial(config: TrialConfig) -> None:
    """Check everything about a trial that can be known without loading data or weights.

    Raises:
        InputError: What is wrong, where, and what to do.
    """
    mirror_folder()  # one that is set wrongly is refused also where nothing is read from it yet
    for phase, work in phases_of(config).items():
        _check_phase(phase, work)
    check_controls(config)
    check_beside(config)
    if len(config.target.mixture) != 1:
        names = ", ".join(config.target.mixture)
        raise ConfigError("target.mixture", f"{names}: the target is one task; mix tasks in `intermediate`")
    for place, work in evaluations_of(config).items():
        _check_evaluation(place, work)
    for place, phases in _targets(config).items():
        _check_target(place, phases, evaluation=evaluations_of(config)[place])
    _check_engine(config)
    _check_encoder(config)
    _check_data(config)
    check_finite(config)


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
        if spec.is_retrieval:
            message = f"{spec.name!r} is {spec.kind}: the encoder is scored on it as it is; choose a task that trains"
            raise ConfigError(f"{phase}.mixture", message)
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
        check_tower(phase, work.vision.tower)


def check_tower(phase: str, tower: str) -> None:
    """Check that a phase's vision tower can be found and loaded.

    Raises:
        InputError: It cannot.
    """
    if tower == "small":
        return
    location = locate_vision(tower)
    if location.path is not None and not (location.path / "config.json").is_file():
        raise ConfigError(
            f"{phase}.vision.tower", f"{str(location.path)!r} holds no config.json; give a vision checkpoint"
        )
    if location.path is not None:
        check_vision_folder(location.path)


def _targets(config: TrialConfig) -> dict[str, tuple[PhaseConfig, ...]]:
    """Return the path of each evaluation -> the training phases of its own before it."""
    further = {f"further.{name}.evaluation": one.target for name, one in config.further.items()}
    return {"evaluation": (config.target,)} | further


def _check_target(place: str, phases: tuple[PhaseConfig, ...], *, evaluation: EvaluationConfig) -> None:
    """Check that what is trained last has a head that the evaluation can use."""
    evaluated = task(evaluation.task)
    further = place.removesuffix(".evaluation")
    if not phases and not evaluated.is_retrieval:
        message = f"{evaluated.name!r} is {evaluated.kind}, which needs a trained head; give at least one phase"
        raise ConfigError(f"{further}.target", message)
    for number, phase in enumerate(phases if further != place else ()):
        if len(phase.mixture) != 1:
            message = f"{', '.join(phase.mixture)}: a target's phase is one task; give each its own phase"
            raise ConfigError(f"{further}.target.{number}.mixture", message)
    if phases and not evaluated.is_retrieval:
        _check_head(f"{place}.task", target=task(next(iter(phases[-1].mixture))), evaluated=evaluated)


def _check_head(place: str, *, target: TaskSpec, evaluated: TaskSpec) -> None:
    recipe = LITERATURE.get(evaluated.name)
    alike = recipe is not None and target.name in (*recipe.training, *recipe.also_fits)
    if target.kind != evaluated.kind or not (alike or target.labels == evaluated.labels):
        message = (
            f"{evaluated.name!r} ({evaluated.kind}: {', '.join(evaluated.labels)}) cannot be scored with the head of "
            f"{target.name!r} ({target.kind}: {', '.join(target.labels)}); both need one kind and the same labels"
        )
        raise ConfigError(place, message)


def _check_evaluation(place: str, evaluation: EvaluationConfig) -> None:
    spec = task(evaluation.task)
    if spec.kind not in SCORED_KINDS:
        kinds = ", ".join(sorted(SCORED_KINDS))
        message = f"{spec.name!r} is {spec.kind}, and an evaluation scores {kinds}; choose another task"
        raise ConfigError(f"{place}.task", message)
    for name in ("layer", "similarity"):
        if not spec.is_retrieval and getattr(evaluation, name) != type(evaluation).model_fields[name].default:
            message = (
                f"{getattr(evaluation, name)!r} has no effect on {spec.name!r}, which is {spec.kind}; leave it out"
            )
            raise ConfigError(f"{place}.{name}", message)
    missing = [language for language in evaluation.languages if language not in spec.languages]
    if missing:
        message = f"{spec.name!r} has no language {missing[0]!r}; it has {' '.join(spec.languages)}"
        raise ConfigError(f"{place}.languages", message)
    if evaluation.split not in spec.splits:
        raise ConfigError(
            f"{place}.split", f"{spec.name!r} has no {evaluation.split!r}; it has {', '.join(spec.splits)}"
        )


def _check_engine(config: TrialConfig) -> None:
    engine = config.engine
    least = {"none": 0, "optimizer": 1, "all": 3}[engine.offload]
    if engine.zero_stage < least:
        message = (
            f"{engine.offload!r} needs ZeRO stage {least} or above, not {engine.zero_stage}; raise engine.zero_stage"
        )
        raise ConfigError("engine.offload", message)
    if engine.reduction == "bfloat16" and engine.precision != "bfloat16":
        message = f"'bfloat16' needs engine.precision bfloat16, not {engine.precision!r}; set it, or leave this out"
        raise ConfigError("engine.reduction", message)
    if engine.deepspeed:
        _check_deepspeed(engine)


def _check_deepspeed(engine: EngineConfig) -> None:
    """Check a user's settings against the rest of the engine and, which imports it, against DeepSpeed's own models."""
    if said := _misfit(engine):
        raise ConfigError("engine.deepspeed", said)
    from trainables.engine.settings import refusal

    if said := refusal(engine):
        raise ConfigError("engine.deepspeed", f"DeepSpeed refuses it: {said}; correct it or leave it out")


def _misfit(engine: EngineConfig) -> str | None:
    """Return which setting for DeepSpeed does not go with another field, or None."""
    found = engine.deepspeed.get(ZERO)
    zero = found if isinstance(found, dict) else {}
    is_half = engine.precision == "bfloat16"
    if is_half and "communication_data_type" in engine.deepspeed:
        rule = "in bfloat16 only ZeRO 0 goes by it, and all stages are to sum alike"
        return f"'communication_data_type' does not go with engine.precision bfloat16: {rule}; set engine.reduction"
    if zero.get("overlap_comm") and engine.zero_stage == 1:
        rule = "micro-batches differ in number from step to step, with which DeepSpeed overlaps at ZeRO 2 and 3 only"
        return f"'{ZERO}.overlap_comm' does not go with engine.zero_stage 1: {rule}; set engine.zero_stage to 2"
    for name in ("zero_quantized_weights", "zero_quantized_nontrainable_weights"):
        if is_half and zero.get(name):
            rule = "DeepSpeed does not quantise weights that torch's autocast rounds"
            return f"'{ZERO}.{name}' does not go with engine.precision bfloat16: {rule}; set float32"
    return None


def _check_encoder(config: TrialConfig) -> None:
    location = locate_model(config.encoder.name)
    if config.encoder.revision is not None and location.kind in {"packaged", "folder"}:
        message = f"{config.encoder.revision!r} has no effect on {config.encoder.name!r}, a folder; leave it out"
        raise ConfigError("encoder.revision", message)
    if location.path is None:
        return
    check_encoder_folder(location.path)
    shape = encoder_shape(location.path)
    num_layers, num_positions = shape["num_hidden_layers"], shape["max_position_embeddings"]
    if shape["model_type"] == "xlm-roberta":
        num_positions -= shape["pad_token_id"] + 1  # its positions start behind the padding's
    _check_lengths(config, num_positions=num_positions)
    for place, work in evaluations_of(config).items():
        if (work.layer or 0) > num_layers:
            message = f"{work.layer} of {config.encoder.name!r}'s {num_layers} layers; at most {num_layers}"
            raise ConfigError(f"{place}.layer", message)
    for phase, work in phases_of(config).items():
        if work.freeze_layers > num_layers:
            message = f"{work.freeze_layers} of {config.encoder.name!r}'s {num_layers} layers; at most {num_layers}"
            raise ConfigError(f"{phase}.freeze_layers", message)


def _check_lengths(config: TrialConfig, *, num_positions: int) -> None:
    name = config.encoder.name
    lengths = {phase: work.max_length for phase, work in phases_of(config).items()}
    lengths |= {place: work.max_length for place, work in evaluations_of(config).items()}
    for part, length in lengths.items():
        if length > num_positions:
            message = f"{length}, but {name!r} reads at most {num_positions} tokens; lower it"
            raise ConfigError(f"{part}.max_length", message)
    for phase, work in phases_of(config).items():
        num_image_tokens = _num_image_tokens(work)
        if num_image_tokens + work.max_length > num_positions:
            message = (
                f"{work.max_length}, and {num_image_tokens} image tokens come on top, but {name!r} reads at most "
                f"{num_positions} together; lower it to {num_positions - num_image_tokens} or less"
            )
            raise ConfigError(f"{phase}.max_length", message)


def _num_image_tokens(work: PhaseConfig) -> int:
    """Return the most image tokens that the encoder reads before a text of the phase; 0 where that is not known."""
    if work.vision is None:
        return 0
    # Retrieval compares images with texts: the encoder does not read them.
    images = [len(task(name).image_columns) for name in work.mixture if task(name).kind != "image_text_retrieval"]
    location = None if work.vision.tower == "small" else locate_vision(work.vision.tower)
    return max(images, default=0) * num_tokens(work.vision, folder=None if location is None else location.path)


def _check_data(config: TrialConfig) -> None:
    """Check of every task the splits and languages that the trial reads, each once."""
    wanted: dict[tuple[str, str, str], None] = {}
    for work in phases_of(config).values():
        for name in work.mixture:
            language = task(name).training_language
            wanted[name, "train", language] = None
            if work.num_dev_items:
                wanted[name, "validation", language] = None
    for evaluation in evaluations_of(config).values():
        for language in evaluation.languages:
            wanted[evaluation.task, evaluation.split, language] = None
    for name, split, language in wanted:
        for warning in warnings_of(check_readable(task(name), split=split, language=language)):
            tell_once(warning)
    check_beside_data(config)
