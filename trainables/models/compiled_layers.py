"""Compiles the layers of an encoder with torch, where that pays.

All layers have one graph, so a shape is compiled once for all of them. A graph that cannot be compiled, for example
because the host has no C compiler, runs as before: torch says so in a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from trainables.config import EngineConfig
    from trainables.models.encoder import Encoder

_MAX_SHAPES = 64
"""Graphs of a layer: its shapes, with and without a mask, frozen or trained, with and without gradients."""

_SHARDS_PARAMETERS = 3
"""The ZeRO stage from which a layer's weights come and go in its own hooks, which break a graph."""


def compiles(engine: EngineConfig, *, device_kind: str) -> bool:
    """Return whether the layers are compiled on a device of this kind."""
    return engine.compile == "auto" and device_kind == "cuda" and engine.stage < _SHARDS_PARAMETERS


def compile_layers(encoder: Encoder, *, backend: str = "inductor") -> None:
    """Compile each layer of an encoder, in place; the work is done when a layer first meets a shape.

    Args:
        encoder: The encoder; its weights and their names stay.
        backend: torch's name of the compiler.
    """
    torch._dynamo.config.recompile_limit = _MAX_SHAPES  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (documented)
    torch._dynamo.config.suppress_errors = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (documented)
    for layer, *_ in encoder.family.layers(encoder.model):
        layer.compile(backend=backend, dynamic=False)
