"""Copies on streams, in the order that a GPU needs. There is no GPU here: a list notes the calls in place of CUDA."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from trainables.training.device_copies import DeviceCopies, copies_to

CPU = torch.device("cpu")
BATCH = {"ids": torch.arange(4), "labels": torch.ones(2)}


class Event:
    """An event that a list notes."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def synchronize(self) -> None:
        self._calls.append("python waits")


class NotedStreams:
    """Streams that only note what they are asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def select(self) -> None:
        self.calls.append("select")

    def pinned(self, tensor: Tensor) -> Tensor:
        self.calls.append("pin")
        return tensor.clone()

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        self.calls.append("copies begin")
        yield
        self.calls.append("copies end")

    def mark(self) -> Event:
        self.calls.append("mark")
        return Event(self.calls)

    def wait_on_device(self, event: Event) -> None:
        assert isinstance(event, Event)
        self.calls.append("device waits")

    def use(self, tensor: Tensor) -> None:
        del tensor
        self.calls.append("use")


def test_a_batch_is_pinned_and_marked_on_the_copies_stream() -> None:
    streams = NotedStreams()

    sent = DeviceCopies(CPU, streams=streams).send(BATCH)

    assert streams.calls == ["copies begin", "pin", "pin", "mark", "copies end"]
    assert torch.equal(sent.tensors["ids"], BATCH["ids"])


def test_the_device_waits_for_a_batch_and_keeps_it_and_python_does_not_wait() -> None:
    streams = NotedStreams()
    copies = DeviceCopies(CPU, streams=streams)
    sent = copies.send(BATCH)
    streams.calls.clear()

    received = copies.received(sent)

    assert streams.calls == ["device waits", "use", "use"]
    assert received.keys() == BATCH.keys()


def test_numbers_are_waited_for_only_when_they_are_read() -> None:
    streams = NotedStreams()

    read = DeviceCopies(CPU, streams=streams).read(torch.tensor([1.5, 2.0]))

    assert streams.calls == ["pin", "mark"]
    assert read() == [1.5, 2.0]
    assert streams.calls[-1] == "python waits"


def test_the_cpu_needs_no_copy() -> None:
    copies = copies_to(CPU)
    copies.select_device()

    received = copies.received(copies.send(BATCH))

    assert received["ids"] is BATCH["ids"]
    assert copies.read(torch.tensor([3.0]))() == [3.0]
