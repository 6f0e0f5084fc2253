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
