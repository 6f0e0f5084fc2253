"""One of each thing that training asks of a device, tried in processes of their own: `xstilts doctor --devices`.

A device that is broken crashes or hangs whoever uses it, so that the process that asks never touches one.
"""

from trainables.probes.answers import ALONE, TOGETHER, Place, Probe, ProbeAnswer
from trainables.probes.facts import DeviceFacts, GpuFacts
from trainables.probes.group import Patience, probing

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
