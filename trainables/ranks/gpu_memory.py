"""The memory of GPUs by Ray's name of their type. Pure."""

from __future__ import annotations

import re

UNKNOWN_GIGABYTES = 16
"""What a GPU of an unknown type counts as: the least of the types in the table that train encoders of usual sizes."""

_GIGABYTES: tuple[tuple[str, int], ...] = (
    (r"A100-80G|H100|GH200-96|A800", 80),
    (r"A100(-40G)?$", 40),
    (r"H200|GH200", 141),
    (r"G?B200", 180),
    (r"G?B300", 268),
    (r"H20$", 96),
    (r"RTX-PRO-6000", 96),
    (r"L40S?$|A40$|A6000|RTX-A6000|RTX-6000-Ada|Quadro-RTX-8000", 48),
    (r"V100-32G|RTX-5090|GeForce-RTX-5090", 32),
    (r"L4$|A10G?$|A30$|A5000|RTX-A5000|TITAN-RTX|P40|M40|Quadro-RTX-6000|(GeForce-)?RTX-[34]090", 24),
    (r"(Tesla-)?V100|(Tesla-)?P100|(Tesla-)?T4|A4000|RTX-A4000|A2$|A16$|(GeForce-)?RTX-(4080|5080)", 16),
    (r"(Tesla-)?K80|(GeForce-)?RTX-(2080|3080|4070)|GTX-1080-Ti|GeForce-GTX-1080-Ti", 10),
    (r"(Tesla-)?P4$|M60", 8),
    (r"AMD-Instinct-MI3(00|08)", 192),
    (r"AMD-Instinct-MI325", 256),
    (r"AMD-Instinct-MI350|AMD-Instinct-MI355", 288),
    (r"AMD-Instinct-MI250", 64),
    (r"AMD-Instinct-MI2?1[05]0", 32),
)
"""Ray's names of types, and the memory of the smallest GPU that has such a name (data sheets of the vendors)."""


def gigabytes_of(name: str) -> int:
    """Return the memory of a GPU, in GB.

    Args:
        name: Ray's name of its type; UNKNOWN_GIGABYTES for one that is not in the table.
    """
    return next((size for pattern, size in _GIGABYTES if re.match(pattern, name)), UNKNOWN_GIGABYTES)
