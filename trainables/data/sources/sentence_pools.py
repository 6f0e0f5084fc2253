"""Makes LAReQA's rows from paragraphs with questions: sentences of all languages in one pool. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any  # Any: a raw row's values are the data set's own

from trainables.data.sources.sentences import sentence_spans
from trainables.errors import TaskDataError
from trainables.tasks.pool_sources import SentencePoolSource
from trainables.tasks.spec import TaskSpec

Columns = Mapping[str, Sequence[Any]]
"""Column -> values: `context`, `question`, `answers` (SQuAD's object) and `id`."""


@dataclass(slots=True, kw_only=True)
class _Sentence:
    """A candidate."""

    name: str
    text: str
    questions: list[str] = field(default_factory=list)
    """Ids of the questions whose answer starts in it."""


def sentence_pool_rows(spec: TaskSpec, *, of_languages: Mapping[str, Columns], language: str) -> dict[str, list[Any]]:
    """Return the rows of kind `text_retrieval` for the questions of a language: `query`, `candidate`, `links`, `id`.

    A candidate's id is `<language>_<paragraph>_<sentence>`, with paragraphs counted from 1 and sentences from 0, as in
    XTREME. A question stands before the candidates that are right for it, so that the first rows can be scored alone.
    The other candidates come last. A question without an answer in its own language has no right candidate there.

    Args:
        spec: A task whose source is a `SentencePoolSource`.
        of_languages: Language -> the rows of the task that the source names; the languages of the pool, and `language`.
        language: Language of the questions.

    Raises:
        TaskDataError: An answer starts outside its paragraph.
    """
    source = spec.source
    assert isinstance(source, SentencePoolSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    pool = [one for name in source.pool for one in _sentences(of_languages[name], spec=spec, language=name)]
    of_question: dict[str, list[_Sentence]] = {}
    for sentence in pool:
        for question in sentence.questions:
            of_question.setdefault(question, []).append(sentence)
    rows: list[tuple[str | None, str | None, list[str], str]] = []
    placed: set[str] = set()
    asked = of_languages[language]
    for name, question in zip(map(str, asked["id"]), asked["question"], strict=True):
        rows.append((question, None, [name], name))
        new = [one for one in of_question.get(name, []) if one.name not in placed]
        placed.update(one.name for one in new)
        rows += [(None, one.text, one.questions, one.name) for one in new]
    rows += [(None, one.text, one.questions, one.name) for one in pool if one.name not in placed]
    query, candidate, links, names = zip(*rows, strict=True)
    return {"query": list(query), "candidate": list(candidate), "links": list(links), "id": list(names)}


def _sentences(rows: Columns, *, spec: TaskSpec, language: str) -> list[_Sentence]:
    """Return the sentences of a language's paragraphs."""
    starts: dict[str, list[tuple[int, str]]] = {}
    for name, context, answers in zip(map(str, rows["id"]), rows["context"], rows["answers"], strict=True):
        found = starts.setdefault(context, [])
        found += [(int(start), name) for start in answers["answer_start"]]
    sentences: list[_Sentence] = []
    for number, (context, asked) in enumerate(starts.items(), 1):
        spans = sentence_spans(context, language=language)
        made = [
            _Sentence(name=f"{language}_{number}_{place}", text=context[start:end])
            for place, (start, end) in enumerate(spans)
        ]
        for start, name in asked:
            place = next((place for place, (first, end) in enumerate(spans) if first <= start < end), None)
            if place is None:
                msg = (
                    f"cannot read task {spec.name!r} in {language!r}: the answer of question {name!r} starts at "
                    f"character {start}, which is in no sentence of its paragraph; correct `answer_start`"
                )
                raise TaskDataError(msg)
            if name not in made[place].questions:
                made[place].questions.append(name)
        sentences += made
    return sentences
