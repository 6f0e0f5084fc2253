"""Copies batches to a rank's device before its step needs them, and reads numbers back without stopping the device.

On CUDA a batch goes through pinned memory on a stream of its own, so that the copy runs beside the step before. The
step waits for the copy on the device, not in Python. On the CPU there is nothing to copy.

`Streams` has all calls of CUDA that are used here, so tests can check their order without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol  # Any: torch's streams and events, or a test's

import torch
from torch import Tensor

Batch = dict[str, Tensor]
"""The tensors of a batch, by name."""


class Streams(Protocol):
    """The streams of one device."""

    def select(self) -> None:
        """Make the device that of this thread."""
        ...

    def pinned(self, tensor: Tensor) -> Tensor:
        """Return a copy in memory that the device can read by itself."""
        ...

    def beside(self) -> AbstractContextManager[object]:
        """Return a context in which the stream for copies is used."""
        ...

    def mark(self) -> Any:
        """Return an event after what the present stream was given."""
        ...

    def wait_on_device(self, event: Any) -> None:
        """Let the present stream wait for an event; Python continues."""
        ...

    def use(self, tensor: Tensor) -> None:
        """Keep a tensor's memory until the present stream has done what it was given."""
        ...


class CudaStreams:
    """The streams of a CUDA device.

    Args:
        device: The device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies = torch.cuda.Stream(device)

    def select(self) -> None:
        """Make the device that of this thread: each thread starts with the first one."""
        torch.cuda.set_device(self._device)

    def pinned(self, tensor: Tensor) -> Tensor:
        """Return a copy in pinned memory."""
        return tensor.pin_memory()

    def beside(self) -> AbstractContextManager[object]:
        """Return a context in which the stream for copies is used."""
        return torch.cuda.stream(self._copies)

    def mark(self) -> torch.cuda.Event:
        """Return an event after what the present stream was given."""
        event = torch.cuda.Event()
        event.record()
        return event

    def wait_on_device(self, event: torch.cuda.Event) -> None:
        """Let the present stream wait for an event."""
        torch.cuda.current_stream(self._device).wait_event(event)

    def use(self, tensor: Tensor) -> None:
        """Keep a tensor's memory until the present stream has done what it was given."""
        tensor.record_stream(torch.cuda.current_stream(self._device))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A batch on its way to the device."""

    tensors: Batch
    """The tensors; only `DeviceCopies.received` may read them."""
    arrived: Any = None
    """Event after the copy; None where nothing was copied."""


class DeviceCopies:
    """The copies to and from one device.

    Args:
        device: The rank's device.
        streams: Its streams, or None for a device without (the CPU).
    """

    def __init__(self, device: torch.device, *, streams: Streams | None) -> None:
        self._device, self._streams = device, streams

    @property
    def kind(self) -> Literal["cpu", "cuda"]:
        """Kind of the device, as far as the shapes of batches go."""
        return "cpu" if self._streams is None else "cuda"

    @property
    def num_unread(self) -> int:
        """Number of steps whose numbers are not read yet while the next step starts: on the CPU they are there."""
        return 0 if self._streams is None else 1

    def select_device(self) -> None:
        """Prepare a thread that sends batches."""
        if self._streams is not None:
            self._streams.select()

    def send(self, batch: Mapping[str, Tensor]) -> Sent:
        """Start the copy of a batch from the CPU; any thread can call it."""
        if self._streams is None:
            return Sent(tensors=dict(batch))
        streams = self._streams
        with streams.beside():
            tensors = {
                name: streams.pinned(tensor).to(self._device, non_blocking=True) for name, tensor in batch.items()
            }
            return Sent(tensors=tensors, arrived=streams.mark())

    def received(self, sent: Sent) -> Batch:
        """Return a batch for use on the present stream, which waits for the copy."""
        if self._streams is not None:
            self._streams.wait_on_device(sent.arrived)
            for tensor in sent.tensors.values():
                self._streams.use(tensor)
        return sent.tensors

    def read(self, numbers: Tensor) -> Callable[[], list[float]]:
        """Start the copy of a vector to the CPU; return a function that waits for it and returns the numbers."""
        if self._streams is None:
            return numbers.tolist
        on_host = self._streams.pinned(torch.empty(numbers.shape, dtype=numbers.dtype))
        on_host.copy_(numbers, non_blocking=True)
        event = self._streams.mark()

        def wait() -> list[float]:
            event.synchronize()
            return on_host.tolist()

        return wait


def copies_to(device: torch.device) -> DeviceCopies:
    """Return the copies for a rank's device."""
    return DeviceCopies(device, streams=CudaStreams(device) if device.type == "cuda" else None)
