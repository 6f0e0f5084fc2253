"""Uploads a folder to a model repository of the hub, and explains the hub's refusals to the user."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage]  (httpx's or httpx2's, as the installed release has it)
    LocalTokenNotFoundError,
)

from trainables.errors import UnavailableError


def upload_model(folder: Path, *, repository: str, is_public: bool, message: str) -> str:
    """Upload a model's folder as one commit, and return the commit's URL.

    The token is HF_TOKEN's, or that of `hf auth login`. The commit has all files, or it does not exist.

    Args:
        folder: Folder with the files; all are uploaded.
        repository: `owner/name`; created if it does not exist. One that exists keeps its visibility and other files.
        is_public: Whether everybody can read a repository that is created now.
        message: Message of the commit.

    Raises:
        UnavailableError: The hub refuses or does not answer; the message gives the reason and the next step.
    """
    api = HfApi()
    try:
        api.create_repo(repository, private=not is_public, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
    except (HTTPError, HFValidationError, LocalTokenNotFoundError, OSError, ValueError) as error:
        step = f"{_next_step(error, repository=repository)}, and run `hf upload {repository} {folder}`"
        msg = f"cannot upload to {repository!r} on {api.endpoint}: {_first_line(error)}; {step}"
        raise UnavailableError(msg) from error
    return str(commit.commit_url)


def _next_step(error: Exception, *, repository: str) -> str:
    if isinstance(error, HFValidationError):
        return "give a repository as OWNER/NAME"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, LocalTokenNotFoundError) or status == 401:  # noqa: PLR2004  unauthorized
        return "set HF_TOKEN to a token that can write"
    if status in {403, 404}:
        return f"set HF_TOKEN to a token that can write to {repository.partition('/')[0]!r}"
    return "wait until the hub answers"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".;: ")
