"""Checks that the byte order mark of a file fits the encoding that the task sets. Pure."""

from __future__ import annotations

import codecs

# UTF-32's marks are first, because the little-endian one starts with that of UTF-16.
_MARKS: tuple[tuple[bytes, str, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8", "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
)

_NEED_A_MARK = ("utf-16", "utf-32")
"""Encodings whose byte order is known only from a mark."""


def mark_problem(head: bytes, *, encoding: str) -> str | None:
    """Return why the first bytes of a text do not fit its encoding, with the next step; None if they fit.

    Args:
        head: The first bytes of the text.
        encoding: Encoding that the task sets, as `codecs.lookup` names it.
    """
    mark, family, exact = next(((mark, *names) for mark, *names in _MARKS if head.startswith(mark)), (b"", "", ""))
    if encoding.startswith("utf-16") and family == "utf-32":
        mark, family, exact = codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"  # then a NUL follows, which is reported later
    if mark and encoding not in {family, exact}:
        step = f"set source.encoding: {family}" if family != "utf-8" else "remove source.encoding"
        other = "" if family == "utf-8" else ", or save the file as UTF-8"
        return f"starts with the byte order mark of {exact.upper()}, but source.encoding is {encoding}; {step}{other}"
    if head and not mark and encoding in _NEED_A_MARK:
        order = "be" if head[:1] == b"\0" else "le"
        return (
            f"has no byte order mark, but source.encoding: {encoding} needs one; set source.encoding: "
            f"{encoding}-{order} (the first bytes are {head[:4].hex(' ')}), or save the file as UTF-8"
        )
    return None


def nul_step(head: bytes) -> str:
    """Return the next step for a text with NUL bytes: it is UTF-16 or UTF-32 without a mark, or not a text.

    Args:
        head: The first bytes of the text.
    """
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) // 4:
        return "a text file must not hold NUL bytes; remove it, or copy the file again"
    width = "32" if head[:2] == b"\0\0" or head[2:4] == b"\0\0" else "16"
    order = "be" if head[:1] == b"\0" else "le"
    step = f"set source.encoding: utf-{width}-{order}, or save the file as UTF-8"
    return f"the file seems to be UTF-{width} without a byte order mark; {step}"
