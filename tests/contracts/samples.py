# ruff: noqa: S311  random words are no secrets
"""A sample of any task's declared columns, as its source would hold them: what the task contract runs on elsewhere.

Labels can be read off the words, so a model that learns has a falling loss. A new kind adds its rows to `_ROWS`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from trainables.data.sources.locator import locate_dataset
from trainables.errors import UnavailableError
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.pool_sources import EntityPoolSource, SentencePoolSource
from trainables.tasks.registry import task
from trainables.tasks.spec import CompositeSource, CorpusSource, HubSource, KindName, TaskSpec

NUM_ROWS = 24
WORDS = ("star", "circle", "red", "blue", "left", "right", "above", "below", "green", "small")
SUPERTAGS = ("N", "NP", "NP/N", "S\\NP")
Rows = dict[str, list[Any]]

DEV_ALONE = frozenset({"paws_translated"})
"""Tasks with a training split whose repository a mirror can hold for another task, which reads its dev split alone."""


def is_here(spec: TaskSpec) -> bool:
    """Whether this machine has the task's own rows."""
    if isinstance(spec.source, CompositeSource):
        return all(is_here(task(name)) for name in spec.source.parts)
    if isinstance(spec.source, SentencePoolSource):
        return is_here(task(spec.source.task))
    if spec.name in DEV_ALONE:
        return False
    if isinstance(spec.source, CorpusSource | BitextSource | EntityPoolSource | CaptionSource | AnnotationSource):
        return False  # a user's corpus is none of a test's business
    try:
        return not isinstance(spec.source, HubSource) or locate_dataset(spec.source.repository).kind == "mirror"
    except UnavailableError:
        return False


def write_sample(spec: TaskSpec, mirror: Path, *, language: str) -> None:
    """Write a task's source: a repository of the mirror, its parts' repositories, or a corpus in the mirror."""
    match spec.source:
        case CompositeSource():
            for name in spec.source.parts:
                write_sample(task(name), mirror, language=language)
        case SentencePoolSource():
            for name in spec.source.pool:
                write_sample(task(spec.source.task), mirror, language=name)
        case AnnotationSource():
            write_annotations(mirror / spec.name, spec=spec, languages=(language,))
        case HubSource():
            _write_repository(spec, mirror / "datasets" / spec.source.repository, language=language)
        case _:
            folder, write = _OWN_FOLDERS[spec.source.type]
            write(mirror / folder)


def write_corpus(folder: Path) -> None:
    """Write a corpus of sentences of our own."""
    folder.mkdir(exist_ok=True)
    for split in ("train", "validation", "test"):
        rows = _tagging(random.Random(split), num_labels=len(SUPERTAGS))
        lines = [
            " ".join(f"{word}|{SUPERTAGS[tag]}" for word, tag in zip(words, tags, strict=True))
            for words, tags in zip(rows["tokens"], rows["tags"], strict=True)
        ]
        (folder / f"{split}.txt").write_text("\n".join(lines), encoding="utf-8")


def write_bitext(folder: Path) -> None:
    """Write comparable corpora of our own: German, and English of which every second sentence is a translation."""
    folder.mkdir(exist_ok=True)
    for split in ("dev", "test"):
        rng = random.Random(split)
        texts = [" ".join(rng.choices(WORDS, k=5)) + f" {number}" for number in range(NUM_ROWS)]
        for language in ("de", "en"):
            lines = [f"{language}-{number}\t{text}" for number, text in enumerate(texts)]
            (folder / f"de-en.{split}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
        gold = [f"de-{number}\ten-{number}\n" for number in range(0, NUM_ROWS, 2)]
        (folder / f"de-en.{split}.gold").write_text("".join(gold), encoding="utf-8")


def write_captions(folder: Path, *, languages: Sequence[str] = ("en", "de", "fr", "cs")) -> None:
    """Write Multi30K's layout: photographs, and a caption of each in every language; English is packed with gzip."""
    lists, raw, images = folder / "data/task1/image_splits", folder / "data/task1/raw", folder / "flickr30k-images"
    for path in (lists, raw, images):
        path.mkdir(parents=True, exist_ok=True)
    for first, split in enumerate(("train", "val", "test_2016_flickr")):
        rng = random.Random(split)
        names = [f"{1000 * first + number}.jpg" for number in range(NUM_ROWS)]
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for number, name in enumerate(names):
            (images / name).write_bytes(_picture(NUM_ROWS * first + number))
        for language in languages:
            content = "".join(f"{language} {_text(rng)}\n" for _ in names).encode()
            path = raw / f"{split}.{language}"
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content)) if language == "en" else (
                path.write_bytes(content)
            )


def write_entities(folder: Path, *, languages: Sequence[str] = ("en", "de")) -> None:
    """Write Mewsli-X's files: entities whose descriptions hold their names, and articles that mention every second."""
    folder.mkdir(exist_ok=True)
    names = [f"{WORDS[number % len(WORDS)]} {number}" for number in range(NUM_ROWS)]
    entities = [
        {
            "entity_id": f"Q{number}",
            "title": name,
            "description": f"{name} is a thing. It is here.",
            "description_language": "en",
            "description_url": "https://example.org",
            "sentence_spans": [{"start": 0, "end": len(name) + 12}, {"start": len(name) + 13, "end": len(name) + 24}],
        }
        for number, name in enumerate(names)
    ]
    _write_jsonl(folder / "candidate_set_entities.jsonl", entities)
    for split, first in (("dev", 0), ("test", 1)):
        articles = [
            _article(name, number=number, language=language)
            for language in languages
            for number, name in list(enumerate(names))[first::2]
        ]
        _write_jsonl(folder / f"wikinews_mentions-{split}.jsonl", articles)


def write_annotations(folder: Path, *, spec: TaskSpec, languages: Sequence[str] = ("en", "de")) -> None:
    """Write IGLUE's files of a task: a line for each sentence on a picture, and the pictures."""
    assert isinstance(spec.source, AnnotationSource)
    rows = _images(random.Random(spec.name), num_labels=len(spec.labels))
    names = [f"{1_000 + number}" for number in range(NUM_ROWS)]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, rows["image"], strict=True):
        (folder / "images" / f"{name}.jpg").write_bytes(image["bytes"])
    for language in languages:
        lines = [_annotated(spec, number=number, name=name, rows=rows) for number, name in enumerate(names)]
        (folder / "annotations" / language).mkdir(parents=True, exist_ok=True)
        _write_jsonl(folder / "annotations" / language / "test.jsonl", lines)


def _annotated(spec: TaskSpec, *, number: int, name: str, rows: Rows) -> dict[str, Any]:
    text = f"{rows['hypothesis'][number]} {number}"
    if spec.name == "xflickrco":
        return {"sentences": [text], "id": name, "img_path": f"{name}.jpg"}
    return {
        "gold_label": spec.label_values[rows["label"][number]],
        "sentence1": text,
        "sentence2": text,
        "captionID": f"{name}.jpg#0",
        "pairID": f"{name}.jpg#0r1e",
        "Flikr30kID": name,
    }


def _article(name: str, *, number: int, language: str) -> dict[str, Any]:
    text = f"News of today. They saw {name} there."
    start = text.index(name)
    return {
        "context": {
            "document_id": f"{language}-{number}",
            "document_title": "News",
            "document_url": "https://example.org",
            "language": language,
            "text": text,
            "sentence_spans": [{"start": 0, "end": 14}, {"start": 15, "end": len(text)}],
        },
        "mentions": [
            {
                "example_id": f"{language}-{number}",
                "entity_id": f"Q{number}",
                "mention_span": {"start": start, "end": start + len(name), "text": name},
            }
        ],
    }


def _write_jsonl(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines), encoding="utf-8")


def sample_rows(spec: TaskSpec, *, seed: str = "") -> Rows:
    """Return rows under the kind's column names, with class numbers for labels."""
    rows = _ROWS[spec.kind](random.Random(seed), num_labels=_num_classes(spec))
    return {name: rows[name] for name in spec.columns if name in rows}


def _write_repository(spec: TaskSpec, folder: Path, *, language: str) -> None:
    source = spec.source
    assert isinstance(source, HubSource)
    files: dict[str, dict[str, str]] = {}
    for split in dict.fromkeys(one.removesuffix("?") for splits in spec.splits.values() for one in splits):
        table = _of_language(_as_source(sample_rows(spec, seed=split), spec=spec), spec=spec, language=language)
        config = source.config_of(language, split=split) or "default"
        tables = {config: table}
        if joined := source.joined_config_of(language, split=split):
            tables = dict(zip((config, joined), _parted(table, source=source), strict=True))
        for name, part in tables.items():
            path = folder / name / f"{split}.parquet"
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(part, path)
                files.setdefault(name, {})[split] = f"{name}/{split}.parquet"
    lines = [
        line
        for config, splits in files.items()
        for line in (
            f"- config_name: {config}",
            "  data_files:",
            *(line for split, path in splits.items() for line in (f"  - split: {split}", f"    path: {path}")),
        )
    ]
    readme = folder / "README.md"
    kept = readme.read_text().split("\n")[2:-2] if readme.is_file() else []
    readme.write_text("\n".join(["---", "configs:", *kept, *lines, "---", ""]))


def _parted(table: pa.Table, *, source: HubSource) -> tuple[pa.Table, pa.Table]:
    """Return the rows without the joined columns, of which two in turn have one key, and the joined rows."""
    join = source.join
    assert join is not None
    keys = [f"n{number // 2}" for number in range(table.num_rows)]
    joined = table.select(list(join.columns)).take(list(range(0, table.num_rows, 2)))
    return (
        table.drop_columns(list(join.columns)).append_column(join.on, pa.array(keys)),
        joined.append_column(join.key, pa.array(list(dict.fromkeys(keys)))).take(list(range(joined.num_rows))[::-1]),
    )


def _num_classes(spec: TaskSpec) -> int:
    """Return the classes, or for multiple choice the choices."""
    columns = spec.columns.get("choices", ())
    return len(spec.labels) or len(spec.label_values) or (4 if isinstance(columns, str) else len(columns))


def _as_source(rows: Rows, *, spec: TaskSpec) -> pa.Table:
    columns: dict[str, Any] = {}
    for ours, theirs in spec.columns.items():
        values = _as_labels(rows[ours], spec=spec) if ours in {"label", "tags"} else rows[ours]
        if not isinstance(theirs, str):
            columns |= {column: [value[at] for value in values] for at, column in enumerate(theirs)}
        elif "." in theirs:
            struct, field = theirs.split(".")
            columns[struct] = [{field: value} for value in values]
        else:
            columns[theirs] = values
    return pa.table(columns)


def _of_language(table: pa.Table, *, spec: TaskSpec, language: str) -> pa.Table:
    """Return rows that `source.where` keeps for a language."""
    where = spec.source.where if isinstance(spec.source, HubSource) else None
    if where is None:
        return table
    start = where.start(language, names=spec.source.language_names)  # type: ignore[union-attr]
    values = pa.array([f"{start}{number}" for number in range(table.num_rows)])
    return table.drop_columns([where.column]).append_column(where.column, values)


def _as_labels(values: list[Any], *, spec: TaskSpec) -> list[Any]:
    if not spec.label_values:
        return values
    return [_as_labels(value, spec=spec) if isinstance(value, list) else spec.label_values[value] for value in values]


def _text(rng: random.Random, *, sign: int | None = None) -> str:
    words = rng.choices(WORDS, k=rng.randint(2, 8))
    return " ".join(words if sign is None else [WORDS[sign]] * 3 + words)


def _pairs(rng: random.Random, *, num_labels: int) -> Rows:
    labels = [rng.randrange(num_labels) for _ in range(NUM_ROWS)]
    return {
        "premise": [_text(rng) for _ in labels],
        "hypothesis": [_text(rng, sign=label) for label in labels],
        "label": labels,
    }


def _choices(rng: random.Random, *, num_labels: int) -> Rows:
    labels = [rng.randrange(num_labels) for _ in range(NUM_ROWS)]
    texts = [[_text(rng, sign=0 if place == label else 1) for place in range(num_labels)] for label in labels]
    question = [_text(rng) for _ in labels]
    return {"context": question[::-1], "question": question, "choices": texts, "label": labels}


def _spans(rng: random.Random, *, num_labels: int) -> Rows:
    del num_labels
    contexts = [f"{_text(rng)} answer: {rng.choice(WORDS)} {_text(rng)}" for _ in range(NUM_ROWS)]
    starts = [context.index("answer: ") + 8 for context in contexts]
    answers = [
        {"text": [context[start:].split()[0]], "answer_start": [start]}
        for context, start in zip(contexts, starts, strict=True)
    ]
    answers[-1] = {"text": [], "answer_start": []}
    numbers = [str(number) for number in range(NUM_ROWS)]
    return {"context": contexts, "question": [_text(rng) for _ in contexts], "answers": answers, "id": numbers}


def _tagging(rng: random.Random, *, num_labels: int) -> Rows:
    sentences = [rng.choices(range(len(WORDS)), k=rng.randint(1, 8)) for _ in range(NUM_ROWS)]
    return {
        "tokens": [[WORDS[word] for word in sentence] for sentence in sentences],
        "tags": [[word % num_labels for word in sentence] for sentence in sentences],
    }


def _images(rng: random.Random, *, num_labels: int) -> Rows:
    pairs = _pairs(rng, num_labels=max(2, num_labels))
    images = [{"bytes": _picture(row), "path": None} for row in range(NUM_ROWS)]
    texts = {"caption": pairs["hypothesis"], "question": pairs["hypothesis"]}
    answers = [[WORDS[label]] * 10 for label in pairs["label"]]
    return {**pairs, **texts, "image": images, "second_image": images[::-1], "answers": answers}


def _picture(row: int) -> bytes:
    image = Image.new("RGB", (12, 8), ("red", "blue", "green")[row % 3])
    image.putpixel((0, 0), (row, 0, 0))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def _texts(rng: random.Random, *, num_labels: int) -> Rows:
    del num_labels
    texts = [_text(rng) for _ in range(NUM_ROWS)]
    pairs = {"text_pair": texts[::-1], "translation": texts[::-1]}
    return {**pairs, "text": texts, "query": texts, "candidate": texts}


_ROWS: Mapping[KindName, Callable[..., Rows]] = {
    "sentence_pair": _pairs,
    "multiple_choice": _choices,
    "span_qa": _spans,
    "tagging": _tagging,
    "image_classification": _images,
    "image_pair_classification": _images,
    "image_text_retrieval": _images,
    "visual_question_answering": _images,
    "masked_lm": _texts,
    "text_retrieval": _texts,
    "distillation": _texts,
}


_OWN_FOLDERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "corpus": ("corpus", write_corpus),
    "bitext": ("bitext", write_bitext),
    "entities": ("entities", write_entities),
    "captions": ("captions", write_captions),
}
"""Type of a source in a user's own folder -> the folder in the mirror, and what fills it."""
