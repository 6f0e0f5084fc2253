"""Checks a trial's configuration before the trial starts. No torch, so that a mistake is reported within a second."""

from __future__ import annotations

from trainables.checks.auxiliary_checks import check_beside, check_beside_data
from trainables.checks.combinations import check_combinations
from trainables.checks.controls import check_controls
from trainables.config import EngineConfig, EvaluationConfig, PhaseConfig, TrialConfig
from trainables.config.deepspeed_settings import ZERO
from trainables.config.literature import LITERATURE
from trainables.config.phases import INTERMEDIATE_TOWER
from trainables.data.labels.left_out import tell_once, warnings_of
from trainables.data.shared_cache import shared_cache
from trainables.data.sources.locator import locate_model, locate_teacher, locate_vision, mirror_folder
from trainables.data.sources.readable import check_content, check_readable
from trainables.errors import ConfigError
from trainables.models.pretrained.encoder_folder import check_encoder_folder, encoder_shape, max_tokens
from trainables.models.pretrained.teacher_folder import check_teacher_folder
from trainables.models.pretrained.vision_folder import check_vision_folder
from trainables.models.vision_shape import num_tokens
from trainables.plan.mixture import further_dev_languages
from trainables.plan.provenance import evaluations_of, phases_of
from trainables.plan.starting_weights import check_finite
from trainables.tasks.registry import task
from trainables.tasks.spec import SCORED_KINDS, TaskSpec


def check_trial(config: TrialConfig) -> None:
    """Check everything about a trial that can be checked without loading data or weights.

    Raises:
        InputError: Something is wrong; the message says what, where, and what to do.
    """
    mirror_folder()  # raises an error for a wrong XSTILTS_MIRROR, even if nothing is read from it yet
    shared_cache()  # likewise for a wrong XSTILTS_CACHE
    for phase, work in phases_of(config).items():
        _check_phase(phase, work)
    check_controls(config)
    check_beside(config)
    check_combinations(config)
    if len(config.target.mixture) != 1:
        names = ", ".join(config.target.mixture)
        raise ConfigError("target.mixture", f"has the tasks {names}; a target is one task; mix tasks in `intermediate`")
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
            f"{phase}.vision",
            f"is missing, but {with_images[0]!r} has images and needs a vision tower; set tower: small",
        )
    if work.vision is not None and not with_images:
        message = f"has no effect: no task of {', '.join(work.mixture)} has images; remove vision"
        raise ConfigError(f"{phase}.vision", message)
    check_teacher(phase, work)
    for spec in specs:
        if spec.is_retrieval:
            message = (
                f"{spec.name!r} is {spec.kind}, which is scored without training; choose a task that can be trained"
            )
            raise ConfigError(f"{phase}.mixture", message)
        if "train" not in spec.splits:
            rule = f"{spec.name!r} has no train split: it is only for evaluation"
            raise ConfigError(
                f"{phase}.mixture", f"{rule}; choose a task with a train split (`xstilts tasks` lists them)"
            )
        if work.num_dev_items and "validation" not in spec.splits:
            rule = f"is {work.num_dev_items}, but {spec.name!r} has no validation split"
            raise ConfigError(f"{phase}.num_dev_items", f"{rule}; set num_dev_items: 0")
        if phase == "pretraining" and spec.kind != "masked_lm":
            rule = f"{spec.name!r} is {spec.kind}, but pretraining needs masked_lm"
            raise ConfigError("pretraining.mixture", f"{rule}; choose a task of kind masked_lm")
    if work.vision is not None:
        check_tower(phase, work.vision.tower)


def check_teacher(phase: str, work: PhaseConfig) -> None:
    """Check that a phase has a teacher if it needs one, and that the teacher can be found and loaded.

    Raises:
        InputError: The teacher is missing, has no effect, or cannot be found or loaded.
    """
    learning = [name for name in work.mixture if task(name).kind == "distillation"]
    if learning and work.teacher is None:
        rule = f"is missing, but {learning[0]!r} learns the vectors of a teacher"
        raise ConfigError(f"{phase}.teacher", f"{rule}; name a CLIP text model, by hub name or folder")
    if work.teacher is not None and not learning:
        rule = f"has no effect: no task of {', '.join(work.mixture)} is of kind distillation"
        raise ConfigError(f"{phase}.teacher", f"{rule}; remove teacher")
    if work.teacher is not None:
        check_teacher_name(work.teacher)


def check_teacher_name(name: str) -> None:
    """Check that a teacher can be found, and loaded if it is on this machine.

    Raises:
        InputError: It cannot be found or loaded.
    """
    folder = locate_teacher(name).path
    if folder is not None:
        check_teacher_folder(folder)


def check_tower(phase: str, tower: str) -> None:
    """Check that the vision tower of a phase can be found and loaded.

    Raises:
        InputError: The tower cannot be found or loaded.
    """
    if tower in {"small", INTERMEDIATE_TOWER}:
        return
    location = locate_vision(tower)
    if location.path is not None and not (location.path / "config.json").is_file():
        raise ConfigError(
            f"{phase}.vision.tower",
            f"{str(location.path)!r} has no config.json; give the folder of a vision checkpoint",
        )
    if location.path is not None:
        check_vision_folder(location.path)


def _targets(config: TrialConfig) -> dict[str, tuple[PhaseConfig, ...]]:
    """Return path of each evaluation -> its target phases."""
    further = {f"further.{name}.evaluation": entry.target for name, entry in config.further.items()}
    return {"evaluation": (config.target,)} | further


def _check_target(place: str, phases: tuple[PhaseConfig, ...], *, evaluation: EvaluationConfig) -> None:
    """Check that the evaluation can use the head of the last phase."""
    evaluated = task(evaluation.task)
    further = place.removesuffix(".evaluation")
    if evaluated.has_images and place == "evaluation":
        message = f"{evaluated.name!r} has images, and is scored only as a further target; put it under `further`"
        raise ConfigError(f"{place}.task", message)
    if not phases and not evaluated.is_retrieval:
        message = (
            f"is empty, but {evaluated.name!r} is {evaluated.kind} and needs a trained head; give at least one phase"
        )
        raise ConfigError(f"{further}.target", message)
    for number, phase in enumerate(phases if further != place else ()):
        if len(phase.mixture) != 1:
            names = ", ".join(phase.mixture)
            message = f"has the tasks {names}; a target phase has one task; give each task its own phase"
            raise ConfigError(f"{further}.target.{number}.mixture", message)
    if phases and not evaluated.is_retrieval:
        _check_head(f"{place}.task", phase=phases[-1], evaluated=evaluated)


def _check_head(place: str, *, phase: PhaseConfig, evaluated: TaskSpec) -> None:
    target, recipe = task(next(iter(phase.mixture))), LITERATURE.get(evaluated.name)
    if target.control is not None and evaluated.has_images:
        target = task(target.control.of)
        tell_once(
            f"{evaluated.name} cannot be asked with images: the trial's intermediate phase has no vision tower; it is "
            "scored without images, after training on the texts alone"
        )
    alike = recipe is not None and target.name in (*recipe.training, *recipe.also_fits)
    if target.kind != evaluated.kind or not (alike or target.labels == evaluated.labels):
        message = (
            f"{evaluated.name!r} ({evaluated.kind}: {', '.join(evaluated.labels)}) cannot be scored with the head of "
            f"{target.name!r} ({target.kind}: {', '.join(target.labels)}); both must have the same kind and labels; "
            "change one of them"
        )
        raise ConfigError(place, message)


def _check_evaluation(place: str, evaluation: EvaluationConfig) -> None:
    spec = task(evaluation.task)
    if spec.kind not in SCORED_KINDS:
        kinds = ", ".join(sorted(SCORED_KINDS))
        message = f"{spec.name!r} is {spec.kind}, but an evaluation scores only {kinds}; choose another task"
        raise ConfigError(f"{place}.task", message)
    for name in ("layer", "similarity"):
        if not spec.is_retrieval and getattr(evaluation, name) != type(evaluation).model_fields[name].default:
            message = f"{getattr(evaluation, name)!r} has no effect on {spec.name!r}, which is {spec.kind}; remove it"
            raise ConfigError(f"{place}.{name}", message)
    missing = [language for language in evaluation.languages if language not in spec.languages]
    if missing:
        rule = f"{spec.name!r} has no language {missing[0]!r}; it has {' '.join(spec.languages)}"
        raise ConfigError(f"{place}.languages", f"{rule}; choose from these")
    if spec.kind == "image_text_retrieval" and ("en" not in evaluation.languages or len(evaluation.languages) == 1):
        rule = "without images, captions are compared with the English ones"
        raise ConfigError(f"{place}.languages", f"{rule}; list `en` and at least one other language")
    if evaluation.split not in spec.splits:
        rule = f"{spec.name!r} has no split {evaluation.split!r}; it has {', '.join(spec.splits)}"
        raise ConfigError(f"{place}.split", f"{rule}; choose another task")


def _check_engine(config: TrialConfig) -> None:
    engine = config.engine
    least = {"none": 0, "optimizer": 1, "all": 3}[engine.offloaded]
    if engine.stage < least:
        rule = f"{engine.offload!r} needs engine.zero_stage {least} or above, but it is {engine.stage}"
        raise ConfigError("engine.offload", f"{rule}; raise engine.zero_stage")
    if engine.reduction == "bfloat16" and engine.arithmetic != "bfloat16":
        rule = f"'bfloat16' needs engine.precision 'bfloat16', but it is {engine.arithmetic!r}"
        raise ConfigError("engine.reduction", f"{rule}; change engine.precision, or remove engine.reduction")
    if engine.deepspeed:
        _check_deepspeed(engine)


def _check_deepspeed(engine: EngineConfig) -> None:
    """Check a user's settings against the other fields of the engine, and against DeepSpeed's models (imports it)."""
    if problem := _conflict(engine):
        raise ConfigError("engine.deepspeed", problem)
    from trainables.engine.settings import refusal

    if problem := refusal(engine):
        raise ConfigError("engine.deepspeed", f"DeepSpeed does not accept it: {problem}; correct or remove it")


def _conflict(engine: EngineConfig) -> str | None:
    """Return which DeepSpeed setting cannot be combined with another field of the engine, or None."""
    found = engine.deepspeed.get(ZERO)
    zero = found if isinstance(found, dict) else {}
    is_half = engine.arithmetic == "bfloat16"
    if is_half and "communication_data_type" in engine.deepspeed:
        rule = "in bfloat16 only ZeRO stage 0 uses it, but all stages must sum gradients in the same type"
        return f"'communication_data_type' cannot be set with engine.precision bfloat16: {rule}; set engine.reduction"
    if zero.get("overlap_comm") and engine.stage == 1:
        rule = "the number of micro-batches differs from step to step, which DeepSpeed supports only at ZeRO 2 and 3"
        return f"'{ZERO}.overlap_comm' cannot be set with engine.zero_stage 1: {rule}; set engine.zero_stage to 2"
    for name in ("zero_quantized_weights", "zero_quantized_nontrainable_weights"):
        if is_half and zero.get(name):
            rule = "DeepSpeed does not quantise weights that torch's autocast rounds"
            return f"'{ZERO}.{name}' cannot be set with engine.precision bfloat16: {rule}; set it to float32"
    return None


def _check_encoder(config: TrialConfig) -> None:
    location = locate_model(config.encoder.name)
    if config.encoder.revision is not None and location.kind in {"packaged", "folder"}:
        message = f"{config.encoder.revision!r} has no effect on {config.encoder.name!r}, which is a folder; remove it"
        raise ConfigError("encoder.revision", message)
    if location.path is None:
        return
    check_encoder_folder(location.path)
    shape = encoder_shape(location.path)
    num_layers = shape["num_hidden_layers"]
    _check_lengths(config, num_positions=max_tokens(location.path))
    for place, work in evaluations_of(config).items():
        if (work.layer or 0) > num_layers:
            message = (
                f"is {work.layer}, but {config.encoder.name!r} has {num_layers} layers; set it to {num_layers} or less"
            )
            raise ConfigError(f"{place}.layer", message)
    for phase, work in phases_of(config).items():
        if work.freeze_layers > num_layers:
            rule = f"is {work.freeze_layers}, but {config.encoder.name!r} has {num_layers} layers"
            raise ConfigError(f"{phase}.freeze_layers", f"{rule}; set it to {num_layers} or less")


def _check_lengths(config: TrialConfig, *, num_positions: int) -> None:
    name = config.encoder.name
    lengths = {phase: work.max_length for phase, work in phases_of(config).items()}
    lengths |= {place: work.max_length for place, work in evaluations_of(config).items()}
    for part, length in lengths.items():
        if length > num_positions:
            message = (
                f"is {length}, but {name!r} reads at most {num_positions} tokens; set it to {num_positions} or less"
            )
            raise ConfigError(f"{part}.max_length", message)
    with_images = {phase: (work, work.max_length) for phase, work in phases_of(config).items()}
    for place, phases in _targets(config).items():
        if _has_tower(phases):
            with_images[place] = (phases[-1], evaluations_of(config)[place].max_length)
    for place, (work, length) in with_images.items():
        num_image_tokens = _num_image_tokens(work)
        if num_image_tokens + length > num_positions:
            message = (
                f"is {length}, and {num_image_tokens} image tokens are added, but {name!r} reads at most "
                f"{num_positions} tokens in total; set it to {num_positions - num_image_tokens} or less"
            )
            raise ConfigError(f"{place}.max_length", message)


def _has_tower(phases: tuple[PhaseConfig, ...]) -> bool:
    return bool(phases) and phases[-1].vision is not None


def _num_image_tokens(work: PhaseConfig) -> int:
    """Return the largest number of image tokens before a text of the phase; 0 where it is not known."""
    if work.vision is None:
        return 0
    # In retrieval, images are compared with texts: the encoder does not read image tokens.
    images = [len(task(name).image_columns) for name in work.mixture if task(name).kind != "image_text_retrieval"]
    location = None if work.vision.tower == "small" else locate_vision(work.vision.tower)
    return max(images, default=0) * num_tokens(work.vision, folder=None if location is None else location.path)


def _check_data(config: TrialConfig) -> None:
    """Check every split and language of a task that the trial reads, each once."""
    wanted: dict[tuple[str, str, str], bool] = {}
    for work in phases_of(config).values():
        for name in work.mixture:
            language = task(name).training_language
            wanted[name, "train", language] = True
            if work.num_dev_items:
                dev = (language, *further_dev_languages(task(name)))
                wanted |= {(name, "validation", one): True for one in dev}
    for place, evaluation in evaluations_of(config).items():
        for language in evaluation.languages:
            wanted[evaluation.task, evaluation.split, language] = _has_tower(_targets(config)[place])
    for (name, split, language), with_images in wanted.items():
        spec = task(name) if with_images else task(name).without_images()
        for warning in warnings_of(check_readable(spec, split=split, language=language)):
            tell_once(warning)
        check_content(spec, split=split, language=language)
    check_beside_data(config)
