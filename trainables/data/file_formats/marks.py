"""Byte order marks, and whether they agree with the encoding that a task names. Pure."""

from __future__ import annotations

import codecs

# UTF-32's marks stand first: the little one begins as UTF-16's does.
_MARKS: tuple[tuple[bytes, str, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8", "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
)

_NEED_A_MARK = ("utf-16", "utf-32")
"""Encodings whose byte order only a mark tells."""


def mark_problem(head: bytes, *, encoding: str) -> str | None:
    """Return what is wrong between a text's first bytes and its encoding, with the next step, or None.

    Args:
        head: Its first bytes.
        encoding: Encoding that the task names, as `codecs.lookup` calls it.
    """
    mark, family, exact = next(((mark, *names) for mark, *names in _MARKS if head.startswith(mark)), (b"", "", ""))
    if encoding.startswith("utf-16") and family == "utf-32":
        mark, family, exact = codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"  # a NUL follows the mark; it is named later
    if mark and encoding not in {family, exact}:
        step = f"set source.encoding: {family}" if family != "utf-8" else "leave source.encoding out"
        other = "" if family == "utf-8" else ", or save it as UTF-8"
        return f"begins with the byte order mark of {exact.upper()}, and source.encoding is {encoding}; {step}{other}"
    if head and not mark and encoding in _NEED_A_MARK:
        order = "be" if head[:1] == b"\0" else "le"
        return (
            f"has no byte order mark, and source.encoding: {encoding} needs one; set source.encoding: "
            f"{encoding}-{order} (first bytes: {head[:4].hex(' ')}), or save it as UTF-8"
        )
    return None


def nul_step(head: bytes) -> str:
    """Return what to do about NUL bytes in a text: it is UTF-16 or UTF-32 without a mark, or no text.

    Args:
        head: The text's first bytes.
    """
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) // 4:
        return "a text has none: remove it, or copy the file anew"
    width = "32" if head[:2] == b"\0\0" or head[2:4] == b"\0\0" else "16"
    order = "be" if head[:1] == b"\0" else "le"
    return f"it looks like UTF-{width} without a mark: set source.encoding: utf-{width}-{order}, or save it as UTF-8"
