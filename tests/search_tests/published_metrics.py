"""The metrics of XTREME and XTREME-R in plain Python, from their published definitions, over exported files.

Nothing here imports the project: it is what its figures are held against. Definitions: Hu et al. 2020 (arXiv
2003.11080, section 3), Ruder et al. 2021 (arXiv 2104.07412, section 3), Rajpurkar et al. 2016 (arXiv 1606.05250,
section 6.1), Lewis et al. 2020 (arXiv 1910.07475, section 4), the defaults of seqeval, Zweigenbaum et al. 2018 (BUCC).
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Gold = list[Any]
"""What is right for each item, in the order of the items: a class, tags, answers, or ids."""

_ARTICLES = {
    "en": "a an the",
    "de": "ein eine einen einem eines einer der die das den dem des",
    "es": "un una unos unas el la los las",
    "vi": "của là cái chiếc những",
}


def task_figure(name: str, *, folder: Path, gold: dict[str, dict[str, Any]]) -> float:
    """Return the figure of a task (0..1): the mean over languages, for questions the mean of F1 and exact match.

    Args:
        name: Name of the task.
        folder: Folder with its exported files.
        gold: Language -> id of an item -> what is right, in the order of the items.
    """
    of_languages = [_MEASURES[name](_file(folder, language), right, language) for language, right in gold.items()]
    return sum(of_languages) / len(of_languages)


def _file(folder: Path, language: str) -> Path:
    (path,) = folder.glob(f"test-{language}.*")
    return path


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def _accuracy(predicted: Sequence[Any], right: Sequence[Any]) -> float:
    assert len(predicted) == len(right)
    return sum(one == other for one, other in zip(predicted, right, strict=True)) / len(right)


def _of_classes(path: Path, gold: dict[str, Any], language: str) -> float:
    del language
    assert path.suffix == ".tsv"
    return _accuracy(_lines(path), list(gold.values()))


def _of_choices(path: Path, gold: dict[str, Any], language: str) -> float:
    del language
    assert path.suffix == ".jsonl"
    return _accuracy([json.loads(line)["label"] for line in _lines(path)], list(gold.values()))


def _of_nearest(path: Path, gold: dict[str, Any], language: str) -> float:
    del language
    return _accuracy(_lines(path), [right for (right,) in gold.values()])


def _of_pairs(path: Path, gold: dict[str, Any], language: str) -> float:
    del language
    predicted = {tuple(line.split("\t")) for line in _lines(path)}
    right = {(query, candidate) for query, candidates in gold.items() for candidate in candidates}
    return _f1(predicted, right)


def _f1(predicted: set[Any], right: set[Any]) -> float:
    both = len(predicted & right)
    if not both:
        return 0.0
    precision, recall = both / len(predicted), both / len(right)
    return 2 * precision * recall / (precision + recall)


def _of_ranks(path: Path, gold: dict[str, Any], language: str) -> float:
    """Mean average precision at 20: the precision at each right candidate, over the right ones that fit into 20."""
    del language
    predicted: dict[str, list[str]] = json.loads(path.read_text())
    total = 0.0
    for query, right in gold.items():
        found, precisions = 0, 0.0
        for place, candidate in enumerate(predicted[query][:20], start=1):
            if candidate in right:
                found += 1
                precisions += found / place
        total += precisions / min(20, len(right))
    return total / len(gold)


def _of_tags(spans: Callable[[list[list[str]]], set[Any]]) -> Callable[[Path, dict[str, Any], str], float]:
    def measured(path: Path, gold: dict[str, Any], language: str) -> float:
        del language
        sentences = [part.split("\n") for part in path.read_text(encoding="utf-8").split("\n\n")[:-1]]
        assert [len(tags) for tags in sentences] == [len(tags) for tags in gold.values()]
        return _f1(spans(sentences), spans(list(gold.values())))

    return measured


def entities(sentences: list[list[str]]) -> set[Any]:
    """Return (sentence, type, first, last) of the entities of IOB2 tags; an I that continues none begins one."""
    found: list[list[Any]] = []
    for number, tags in enumerate(sentences):
        for word, tag in enumerate(tags):
            mark, _, kind = tag.partition("-")
            if mark == "I" and found and found[-1][:2] == [number, kind] and found[-1][3] == word - 1:
                found[-1][3] = word
            elif mark != "O":
                found.append([number, kind, word, word])
    return {tuple(entity) for entity in found}


def plain_spans(sentences: list[list[str]]) -> set[Any]:
    """Return (type, first, last) of the spans that seqeval reads from parts of speech, over all sentences as one.

    The first letter of a tag is its mark and the rest its type. So most spans are runs of equal tags, but SCONJ and
    CCONJ have one type, each SCONJ and SYM stands alone, and X has the type of the O between sentences.
    """
    tags = [tag for sentence in sentences for tag in (*sentence, "O")]
    marks = ["O", *(tag[0] for tag in tags)]
    types = ["", *(tag[1:].rpartition("-")[2] or "_" for tag in tags)]
    spans: set[Any] = set()
    first = 0
    for word in range(1, len(marks)):
        before, mark, is_other = marks[word - 1], marks[word], types[word - 1] != types[word]
        if before in "ES" or (before in "BI" and mark in "BSO") or (before not in "O." and is_other):
            spans.add((types[word - 1], first, word - 1))
        if mark in "BS" or (before in "ESO" and mark in "EI") or (mark not in "O." and is_other):
            first = word
    return spans


def _of_answers(words: Callable[[str, str], list[str]]) -> Callable[[Path, dict[str, Any], str], float]:
    """Return what measures answers: the mean of F1 over words and of exact match, each with the best right answer."""

    def measured(path: Path, gold: dict[str, Any], language: str) -> float:
        predicted: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        f1 = exact = 0.0
        for question, answers in gold.items():
            said, rights = words(predicted[question], language), [words(answer, language) for answer in answers]
            f1 += max(_overlap(said, right) for right in rights)
            exact += any(said == right for right in rights)
        return (f1 / len(gold) + exact / len(gold)) / 2

    return measured


def _overlap(said: list[str], right: list[str]) -> float:
    common = sum(min(said.count(word), right.count(word)) for word in set(said))
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(right)
    return 2 * precision * recall / (precision + recall)


def _squad_words(text: str, language: str) -> list[str]:
    del language
    plain = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def _mlqa_words(text: str, language: str) -> list[str]:
    plain = "".join(letter for letter in text.lower() if not _is_punctuation(letter))
    if language == "ar":
        plain = plain.replace("ال", " ")
    if language in _ARTICLES:
        plain = re.sub(rf"\b({'|'.join(_ARTICLES[language].split())})\b", " ", plain)
    if language == "zh":
        plain = "".join(f" {letter} " if "\u4e00" <= letter <= "\u9fa5" else letter for letter in plain)
    return plain.split()


def _is_punctuation(letter: str) -> bool:
    return letter in string.punctuation or unicodedata.category(letter).startswith("P")


_MEASURES: dict[str, Callable[[Path, dict[str, Any], str], float]] = {
    "xnli": _of_classes,
    "paws_x": _of_classes,
    "xcopa": _of_choices,
    "udpos": _of_tags(plain_spans),
    "panx": _of_tags(entities),
    "xquad": _of_answers(_squad_words),
    "tydiqa": _of_answers(_squad_words),
    "mlqa": _of_answers(_mlqa_words),
    "bucc": _of_pairs,
    "tatoeba": _of_nearest,
    "lareqa": _of_ranks,
    "mewsli_x": _of_ranks,
}
