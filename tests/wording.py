"""Looks for private words in what users and contributors read; `make check` runs it.

    python tests/wording.py            names each place, and fails if there is one

Read are the documents, and of every module its docstrings, comments, texts and names. The words and what stands in
their place: docs/glossary.md.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

PRIVATE = re.compile(
    r"""(?<![^\W\d_])(
        goes_on | tell_if_\w+ | _tell_if_\w+ | climb\w* | place\s+back
        | sets?\s+(\w+\s+){0,3}aside | setting\s+(\w+\s+){0,2}aside | set\s+apart | signs?\s+of\s+life
        | fore(tell\w*|told) | told | deserv\w+ | beginnings?
    )(?![^\W\d_])""",
    re.IGNORECASE | re.VERBOSE,
)
"""What nobody outside this project would look for. It is also found between the underscores of a name."""

CLASSES = re.compile(r"\b(Pace|Timing|Obtained|Workplace)\b")
"""Names of classes that said nothing of what they are."""

FOLDERS = ("search", "spaces", "trainables")
DOCUMENTS = ("docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
SKIPPED = ("docs/glossary.md", "trainables/miniature")
"""The glossary names the words; the miniature's languages are sentences of a generated world."""

READ = {tokenize.STRING, tokenize.COMMENT, tokenize.NAME, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def places() -> Iterator[str]:
    """Return each place of a private word, as `file:line: word`."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix == ".py":
                yield from _of_module(path)
            elif path.suffix in {".jinja", ".yaml", ".js"}:
                yield from _of_text(path)
    for name in DOCUMENTS:
        path = ROOT / name
        for document in sorted(path.rglob("*.md")) if path.is_dir() else [path]:
            yield from _of_text(document)


def _of_module(path: Path) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in READ:
            yield from _of_line(path, token.string, token.start[0])


def _of_text(path: Path) -> Iterator[str]:
    yield from _of_line(path, path.read_text(), 1)


def _of_line(path: Path, text: str, first: int) -> Iterator[str]:
    where = path.relative_to(ROOT)
    if str(where).startswith(SKIPPED):
        return
    joined = text.replace("\n", " ")
    for pattern in (PRIVATE, CLASSES):
        for found in pattern.finditer(joined):
            yield f"{where}:{first + text.count(chr(10), 0, found.start())}: {found[0]}"


def main() -> None:
    """Print every place, and end with 1 if there is one."""
    found = list(places())
    for place in found:
        sys.stdout.write(f"{place}: a private word; docs/glossary.md says what stands in its place\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
