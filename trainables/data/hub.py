"""Downloads from the hub, and what its refusals mean to a user. The door to `huggingface_hub`.

`snapshot_download` and `datasets.load_dataset` raise some twenty classes, several of which are no common base's, and
`datasets` wraps them again. What counts is one of four things: an agreement to accept, no such revision, no such
repository, or a hub that does not answer as it should.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage]  (httpx's or httpx2's, as the installed release has it)
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from trainables.errors import UnavailableError

HUB = "https://huggingface.co"

HUB_ERRORS: tuple[type[Exception], ...] = (HTTPError, OSError, ValueError)
"""What loaders raise when the hub refuses, or a name or a disk is wrong; `datasets` has `DatasetsError` beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked of the hub."""

    repository: str
    """`owner/name`."""
    folder: Literal["datasets", "models"]
    """What it is, as a mirror's folders are named."""
    revision: str | None
    """Commit, branch or tag; None is the newest."""


def download_model(repository: str, *, revision: str | None, files: Sequence[str]) -> Path:
    """Return the folder in Hugging Face's cache that holds a model repository, downloading what it lacks.

    Args:
        repository: `owner/name`.
        revision: Commit, branch or tag, or None for the newest.
        files: Patterns of the names of files that are wanted.

    Raises:
        UnavailableError: The hub does not give it; says why and what to do.
    """
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except HUB_ERRORS as error:
        refusal = hub_refusal(error, wanted=Wanted(repository=repository, folder="models", revision=revision))
        if refusal is None:
            msg = f"cannot download model {repository!r}: {error}; give a repository of the hub, or a folder"
            refusal = UnavailableError(msg)
        raise refusal from error


def hub_refusal(error: BaseException, *, wanted: Wanted) -> UnavailableError | None:
    """Return what an error of the hub's loaders means, or None where neither the hub nor the network is its cause.

    Args:
        error: What a loader raised; the errors that led to it count too.
        wanted: What was asked for.
    """
    chain = list(_chain(error))
    why = _why(chain, page=_page(wanted))
    if why is None:
        return None
    rule, advice = why
    endpoint = os.environ.get("HF_ENDPOINT", HUB)
    at = f" at revision {wanted.revision!r}" if wanted.revision else ""
    msg = (
        f"cannot download {wanted.folder[:-1]} {wanted.repository!r}{at} from {endpoint}: {rule} "
        f"({_first_line(chain)}); {advice}, or set XSTILTS_MIRROR to a folder that holds "
        f"{wanted.folder}/{wanted.repository}"
    )
    return UnavailableError(msg)


def _page(wanted: Wanted) -> str:
    return f"{HUB}/{'datasets/' if wanted.folder == 'datasets' else ''}{wanted.repository}"


def _why(chain: list[BaseException], *, page: str) -> tuple[str, str] | None:
    """Return the rule that was broken and the next step."""
    from datasets.exceptions import DatasetNotFoundError

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    # `datasets` says by its message alone which of the two its DatasetNotFoundError is.
    is_gated = has(GatedRepoError) or any(
        isinstance(one, DatasetNotFoundError) and "gated" in str(one) for one in chain
    )
    if is_gated:
        return "its owner asks for an agreement first", f"accept it on {page} and set HF_TOKEN to a token of yours"
    if has(RevisionNotFoundError):
        return "the repository has no such revision", f"take a commit, branch or tag that {page} lists"
    if has(RepositoryNotFoundError, DatasetNotFoundError):
        rule = "the hub has no such repository, or keeps it private"
        return rule, "correct the name, set HF_TOKEN to a token that may read it"
    if any(_is_no_answer(one) for one in chain):
        return "the hub does not answer as it should", "try again when the network is back"
    return None


def _is_no_answer(error: BaseException) -> bool:
    # A file that a repository lacks is an answer: `datasets` asks for several that need not be there. A *local* entry
    # is not found when the hub gave no answer and the cache has none either.
    if isinstance(error, EntryNotFoundError):
        return isinstance(error, LocalEntryNotFoundError)
    return isinstance(error, HTTPError | ConnectionError | TimeoutError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from or while handling, the last first."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _first_line(chain: list[BaseException]) -> str:
    """Return the first line of the innermost error of the hub's client: those around it repeat it at length."""
    of_client = [one for one in chain if isinstance(one, HTTPError)]
    told = of_client[-1] if of_client else chain[0]
    text = str(told).strip()
    return text.splitlines()[0].rstrip(".;: ") if text else type(told).__name__
