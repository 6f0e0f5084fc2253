"""Sources of retrieval in which the queries of every language search one pool of candidates. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.config.frozen import FrozenModel


class SentencePoolSource(FrozenModel):
    """Questions of a task of kind `span_qa`, and as candidates the sentences of its paragraphs in several languages.

    Right for a question are, in every language, the sentences in which its answer starts (LAReQA, arXiv 2004.05484,
    section 3.1). `trainables.data.sources.sentence_pools` makes the rows.
    """

    type: Literal["sentences"] = "sentences"
    task: str
    """Name of the task; a question has the same id in all languages."""
    pool: tuple[str, ...] = Field(min_length=1)
    """Languages whose sentences are the candidates of every question."""


class EntityPoolSource(FrozenModel):
    """Mentions of entities in news, and as candidates the descriptions of all entities, in a user's own folder.

    The files are those that Mewsli-X's script makes (`get-mewsli-x.sh`, Ruder et al. 2021, arXiv 2104.07412):
    `candidate_set_entities.jsonl` and `wikinews_mentions-<split>.jsonl`.
    `trainables.data.sources.own_folders.entity_pools` reads them.
    """

    type: Literal["entities"] = "entities"
    variable: str
    """Environment variable that holds the folder. The folder's content is part of keys, its path is not."""
