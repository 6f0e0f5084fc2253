"""Probes: the operations that training needs of a device, each tried in another process (`xstilts doctor --devices`).

A broken device crashes or hangs every process that uses it, so the process that starts the probes never uses one.
"""

from trainables.probes.facts import DeviceFacts, GpuFacts
from trainables.probes.group import Patience, probing
from trainables.probes.messages import ALONE, TOGETHER, Place, Probe, ProbeAnswer

__all__ = [
    "ALONE",
    "TOGETHER",
    "DeviceFacts",
    "GpuFacts",
    "Patience",
    "Place",
    "Probe",
    "ProbeAnswer",
    "probing",
]
