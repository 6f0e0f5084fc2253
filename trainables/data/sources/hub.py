"""Downloads from the hub, and explains its errors to the user. The only module that imports `huggingface_hub`.

`snapshot_download` and `datasets.load_dataset` raise about twenty classes, several without a common base, and
`datasets` wraps them again. For the user there are four cases: a licence agreement to accept, an unknown revision, an
unknown repository, or a hub that does not answer correctly.
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
"""Errors of loaders when the hub rejects a request, or a name or a disk is wrong; `datasets` adds `DatasetsError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A repository that was requested from the hub."""

    repository: str
    """`owner/name`."""
    folder: Literal["datasets", "models"]
    """Type of the repository; a mirror's folders have the same names."""
    revision: str | None
    """Commit, branch or tag; None for the newest."""


def download_model(repository: str, *, revision: str | None, files: Sequence[str]) -> Path:
    """Return the folder of a model repository in Hugging Face's cache, after downloading missing files.

    Args:
        repository: `owner/name`.
        revision: Commit, branch or tag, or None for the newest.
        files: Patterns of file names to download.

    Raises:
        UnavailableError: The download failed; the message gives the reason and the next step.
    """
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except HUB_ERRORS as error:
        refusal = hub_refusal(error, wanted=Wanted(repository=repository, folder="models", revision=revision))
        if refusal is None:
            msg = (
                f"cannot download model {repository!r}: {error}; give the name of a repository on the hub, or a folder"
            )
            refusal = UnavailableError(msg)
        raise refusal from error


def hub_refusal(error: BaseException, *, wanted: Wanted) -> UnavailableError | None:
    """Return an error that explains an error of a loader; None if neither the hub nor the network caused it.

    Args:
        error: The error of a loader; the errors that caused it are examined too.
        wanted: The requested repository.
    """
    chain = list(_chain(error))
    why = _reason_and_step(chain, page=_page(wanted))
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


def _reason_and_step(chain: list[BaseException], *, page: str) -> tuple[str, str] | None:
    """Return the reason and the next step, or None for another cause."""
    from datasets.exceptions import DatasetNotFoundError

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    # Only the message of DatasetNotFoundError says whether the data set is gated or does not exist.
    is_gated = has(GatedRepoError) or any(
        isinstance(link, DatasetNotFoundError) and "gated" in str(link) for link in chain
    )
    if is_gated:
        return "you must first accept its licence agreement", f"accept it on {page} and set HF_TOKEN to your token"
    if has(RevisionNotFoundError):
        return "the repository does not have this revision", f"choose a commit, branch or tag that {page} lists"
    if has(RepositoryNotFoundError, DatasetNotFoundError):
        rule = "the hub does not have this repository, or it is private"
        return rule, "correct the name, set HF_TOKEN to a token that can read it"
    if any(_is_missing_answer(link) for link in chain):
        return "the hub does not answer correctly", "try again when the network works"
    return None


def _is_missing_answer(error: BaseException) -> bool:
    # A missing file in a repository is a valid answer: `datasets` asks for several optional files. A *local* entry is
    # not found when the hub did not answer and the cache does not have it either.
    if isinstance(error, EntryNotFoundError):
        return isinstance(error, LocalEntryNotFoundError)
    return isinstance(error, HTTPError | ConnectionError | TimeoutError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it, the last one first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _first_line(chain: list[BaseException]) -> str:
    """Return the first line of the innermost error of the hub's client; the errors around it only repeat it."""
    of_client = [link for link in chain if isinstance(link, HTTPError)]
    reported = of_client[-1] if of_client else chain[0]
    text = str(reported).strip()
    return text.splitlines()[0].rstrip(".;: ") if text else type(reported).__name__
