"""The card of an exported model: metadata for a hub's index, and what a reader must know before using it."""

from __future__ import annotations

import yaml

from search.publication.card_facts import CardFacts
from search.record import JsonObject, SweepRow
from trainables.number_words import number_of
from trainables.tasks.spec import HubSource, TaskSpec

_NUM_KEY_DIGITS = 12


def card_metadata(facts: CardFacts) -> dict[str, object]:
    """Return the card's metadata: languages, base model, data sets, and the scores as a model-index.

    The format: https://huggingface.co/docs/hub/model-cards and `huggingface_hub.repocard_data`.
    """
    repositories = dict.fromkeys(
        task.source.repository for _, task in facts.trained if isinstance(task.source, HubSource)
    )
    metadata: dict[str, object] = {
        "language": sorted(facts.result.languages),
        "license": "other",
        "license_name": "see-training-data",
        "tags": ["zero-shot-cross-lingual-transfer", "intermediate-task", "xstilts"],
        "model-index": [{"name": _model_name(facts), "results": _results(facts)}],
    }
    if facts.base_model:
        metadata["base_model"] = facts.base_model
    if repositories:
        metadata["datasets"] = list(repositories)
    return metadata


def _model_name(facts: CardFacts) -> str:
    return f"{facts.sweep.name}-{facts.trial.number}"


def _results(facts: CardFacts) -> list[JsonObject]:
    """Return one result of the model-index for each language, with its protocol."""
    task = facts.evaluated
    evaluations = facts.result.evaluations.get(task.name) or {task.metric: facts.result.languages}
    found: list[JsonObject] = []
    for language in sorted(facts.result.languages):
        data: JsonObject = {"type": _data_type(task), "name": f"{task.name} ({language})", "split": "validation"}
        if isinstance(task.source, HubSource):
            data |= {"config": task.source.config_of(language, split="validation"), "revision": task.source.revision}
        data["args"] = {"protocol": _protocol(facts, language), "items": facts.result.num_items}
        metrics: list[JsonObject] = [
            {"type": metric, "value": round(scores[language], 6), "name": f"{metric} ({language}, dev split)"}
            for metric, scores in evaluations.items()
            if language in scores
        ]
        found.append(
            {
                "task": {"type": "text-classification", "name": "Natural language inference"},
                "dataset": {name: value for name, value in data.items() if value is not None},
                "metrics": list(metrics),
            }
        )
    return found


def _data_type(task: TaskSpec) -> str:
    return task.source.repository if isinstance(task.source, HubSource) else task.name


def _protocol(facts: CardFacts, language: str) -> str:
    if language == facts.evaluated.training_language:
        return "trained in this language"
    if language in facts.label_languages:
        return f"trained on translations into {language}"
    return f"zero-shot: no labels in {language}"


def card_body(facts: CardFacts) -> str:
    """Return the card's sections in Markdown."""
    return "\n\n".join(
        (
            _intended_use(facts),
            _scores(facts),
            _selection(facts),
            _training_data(facts),
            _lineage(facts),
            _configuration(facts),
        )
    )


def _intended_use(facts: CardFacts) -> str:
    encoder = facts.encoder_name
    revision = f" at revision `{facts.config.encoder.revision}`" if facts.config.encoder.revision else ""
    generated = (
        "**The data is a generated world of coloured shapes. The scores show that the software works and have no "
        "meaning for real tasks.**\n\n"
        if facts.is_miniature
        else ""
    )
    return (
        f"## Intended use\n\n{generated}Classification of sentence pairs in the languages below, for research on "
        f"zero-shot cross-lingual transfer. It starts from `{encoder}`{revision} and has seen labels in "
        f"{', '.join(facts.label_languages)} only.\n\nIt is not made for decisions about people, nor for languages or "
        "texts that are not below. It has the biases of its encoder and of its training data."
    )


def _scores(facts: CardFacts) -> str:
    task = facts.evaluated
    intro = (
        f"{task.metric} in % on the dev split of {task.name}, {facts.result.num_items} items a language; zero-shot in "
        f"all languages but {task.training_language}."
    )
    rows = [f"| {language} | {100 * score:.2f} |" for language, score in sorted(facts.result.languages.items())]
    head = f"| language | {task.metric} |\n|---|---|"
    return "\n".join((f"## Scores\n\n{intro}\n\n{head}", *rows, f"| mean | {100 * facts.result.average:.2f} |"))


def _selection(facts: CardFacts) -> str:
    trial, sweep = facts.trial, facts.sweep
    score = "" if trial.score is None else f" ({100 * trial.score:.2f} %)"
    return (
        f"## Selection\n\nTrial {trial.number} of the sweep `{sweep.name}`, family `{trial.family}`. It is number "
        f"{facts.place} of {number_of(facts.num_finished, 'finished trial')} ({facts.num_trials} in all) by the "
        f"objective `{sweep.objective}`{score}, {_objective_words(sweep)}. The best of many trials scores too "
        "high on the split that selected it; report a confirmation with fresh seeds instead (`xstilts confirm`)."
    )


def _objective_words(sweep: SweepRow) -> str:
    meaning = sweep.meaning_of(sweep.objective)
    return f"the {meaning}" if meaning else "which is computed from the dev scores above"


def _training_data(facts: CardFacts) -> str:
    licences = {licence.task: licence.words() for licence in facts.licences}
    rows = [
        f"| {phase} | {task.name} | {_source(task)} | {licences[task.name]} | {task.citation} |"
        for phase, task in facts.trained
    ]
    task = facts.evaluated
    evaluation = f"| evaluation | {task.name} | {_source(task)} | {task.licence} | {task.citation} |"
    head = "| phase | task | source | licence | paper |\n|---|---|---|---|---|"
    note = "The licences are those that the sources state; the encoder has its own. Read them before you use the model."
    return "\n".join((f"## Data and licences\n\n{head}", *rows, evaluation, "", note))


def _source(task: TaskSpec) -> str:
    if isinstance(task.source, HubSource):
        return f"{task.source.repository} {task.source.revision or '(no pinned revision)'}"
    names = {"files": "the user's own files", "generated": "generated by xstilts"}
    return names.get(task.source.type, task.source.type)


def _lineage(facts: CardFacts) -> str:
    rows = [
        f"| {stage.phase} | {stage.key[:_NUM_KEY_DIGITS]} | {stage.steps} | {stage.seconds:.1f} | "
        f"{'an earlier trial' if stage.reused else 'this trial'} |"
        for stage in facts.result.stages
        if not stage.further
    ]
    return "\n".join(("## Lineage\n\n| phase | stage | steps | seconds | made by |\n|---|---|---|---|---|", *rows))


def _configuration(facts: CardFacts) -> str:
    text = yaml.safe_dump(facts.published_config, sort_keys=False, allow_unicode=True).rstrip()
    return f"## Configuration\n\n`xstilts run trial.yaml` trains it again.\n\n```yaml\n{text}\n```"
