"""Computes the vectors above an encoder's frozen prefix once for a split; every trial and rank reads them.

Without dropout in the frozen part (`frozen_dropout: false`), a text has the same vectors above it in every step of
every trial. They are kept in a folder named by content: the texts' tokens, the weights below the cut (of the word
embeddings, those of the texts' tokens), the number of layers, the precision, and what computes. One process computes
while others wait for the same vectors (`trainables/data/made_once.py`); checksums are checked before they are used;
their space is bounded (`trainables/data/cache_room.py`).

Shapes: B texts, T tokens, D hidden size, N tokens of all texts.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.config.frozen import content_key
from trainables.data.batch_plan import length_batches
from trainables.data.cache_room import PREFIX, note_use, room_for, using
from trainables.data.made_once import making_once
from trainables.data.prefix_file import DTYPES, STARTS, VECTORS, PrefixVectors
from trainables.data.sealed_cache import is_whole
from trainables.models.layers.linear import multiplies_with_onednn
from trainables.processor import multiplies_bfloat16, processor

if TYPE_CHECKING:
    from trainables.data.encoded_split import EncodedTask
    from trainables.models.encoder import Encoder
    from trainables.tasks.spec import TaskSpec

FORMAT = 1
"""Raised by hand when the meaning of a key changes."""

_TEXTS_PER_BATCH = 64
"""Texts that are written together on the CPU."""

_ROUNDING = 2
"""Grows when CPUs compute the same vectors with other roundings: 2 since attention in 16 bits is plain products."""

_NOT_IN_KEY = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
"""Fields of an encoder's configuration that do not change its vectors, besides those of dropout."""


def is_unchanging(spec: TaskSpec) -> bool:
    """Return whether a text of a task has the same tokens in every batch, and no image tokens."""
    return spec.masking is None and not spec.has_images


class SplitTexts:
    """The texts of a split, in the order of its examples, and of the choices within them.

    Args:
        task: A task for which `is_unchanging` holds.
    """

    def __init__(self, task: EncodedTask) -> None:
        runs: list[NDArray[np.int32]] = [task.columns["input_ids"][number] for number in range(len(task))]
        self.tokens = np.concatenate(runs)
        if "choice_lengths" in task.columns:
            runs = [np.asarray(task.columns["choice_lengths"][number]) for number in range(len(task))]
            self.lengths = np.concatenate(runs).astype(np.int32)
        else:
            self.lengths = np.fromiter(map(len, runs), dtype=np.int32, count=len(runs))
        self.starts: NDArray[np.int64] = np.concatenate(([0], np.cumsum(self.lengths, dtype=np.int64)))

    @cached_property
    def distinct_tokens(self) -> NDArray[np.int32]:
        """Numbers of the tokens that occur, in increasing order."""
        return np.unique(self.tokens)

    @property
    def checksum(self) -> str:
        """SHA-256 of the tokens and lengths."""
        digest = hashlib.sha256(np.ascontiguousarray(self.lengths, dtype="<i4").tobytes())
        digest.update(np.ascontiguousarray(self.tokens, dtype="<i4").tobytes())
        return digest.hexdigest()

    def batch(self, texts: NDArray[np.integer]) -> tuple[Tensor, Tensor | None]:
        """Return the token ids of texts, padded on the right with 0, and their mask; None without padding."""
        lengths_B = self.lengths[texts]
        mask_BT = np.arange(lengths_B.max()) < lengths_B[:, None]
        ids_BT = np.zeros(mask_BT.shape, dtype=np.int64)
        for row, text in enumerate(texts.tolist()):
            ids_BT[row, : lengths_B[row]] = self.tokens[self.starts[text] : self.starts[text + 1]]
        return torch.from_numpy(ids_BT), None if mask_BT.all() else torch.from_numpy(mask_BT.astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixMaker:
    """An encoder with a frozen prefix, and where the vectors above it are kept.

    Args:
        encoder: On the device that computes.
        device: That device.
        arithmetic: Type of the arithmetic: `float32` or `bfloat16`.
        pass_tokens: Tokens of a pass, padding included; not used where the CPU runs each text by itself.
        cache: Folder that holds the `prefix` folder; made when missing.
        max_bytes: Most space of all vectors in `cache`.
    """

    encoder: Encoder
    device: torch.device
    arithmetic: str
    pass_tokens: int
    cache: Path
    max_bytes: int

    def folder(self, texts: SplitTexts) -> Path:
        """Return the folder for the vectors of texts."""
        assert self.encoder.prefix is not None  # noqa: S101  (there is something to compute)
        key = content_key(
            {
                "format": FORMAT,
                "texts": texts.checksum,
                "layers": self.encoder.prefix.num_layers,
                "weights": self._checksum(texts),
                "config": self._config(),
                "precision": self.arithmetic,
                "computed_by": self._computed_by(),
            }
        )
        return self.cache / PREFIX / key

    def vectors(self, texts: SplitTexts, numbers: NDArray[np.integer]) -> Tensor:
        """Return the vectors of some texts, B x T x D, on the device."""
        ids_BT, mask_BT = texts.batch(numbers)
        mask_BT = None if mask_BT is None else mask_BT.to(self.device)
        autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.arithmetic == "bfloat16")
        # Compiled layers would be compiled for each shape of a batch here, and not for those of the steps.
        with autocast, torch.compiler.set_stance("force_eager"):
            return self.encoder.prefix_vectors(ids_BT.to(self.device), mask_BT)

    def batches(self, texts: SplitTexts) -> list[NDArray[np.int64]]:
        """Return the numbers of all texts, in batches."""
        if self.device.type == "cpu":  # each text is run by itself
            return np.array_split(np.arange(len(texts.lengths)), -(-len(texts.lengths) // _TEXTS_PER_BATCH))
        return length_batches(texts.lengths, tokens_per_micro_batch=self.pass_tokens)

    def _checksum(self, texts: SplitTexts) -> str:
        """Return the SHA-256 of the weights below the cut."""
        model = self.encoder.model
        words: Tensor = model.get_input_embeddings().weight
        frozen = {id(one) for module in self.encoder.without_dropout for one in _tensors(module)}
        digest = hashlib.sha256()
        for name, tensor in sorted((*model.named_parameters(), *model.named_buffers())):
            if id(tensor) not in frozen:
                continue
            used = tensor[torch.from_numpy(texts.distinct_tokens).long().to(self.device)] if tensor is words else tensor
            digest.update(f"{name} {tuple(used.shape)} {used.dtype}\n".encode())
            digest.update(used.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def _config(self) -> Mapping[str, Any]:
        left_out = {*_NOT_IN_KEY, *self.encoder.family.dropout_fields}
        fields: Mapping[str, Any] = self.encoder.model.config.to_dict()
        return {name: value for name, value in fields.items() if name not in left_out}

    def _computed_by(self) -> list[str]:
        """Return what decides the rounding of the arithmetic."""
        if self.device.type != "cpu":
            return [self.device.type, torch.__version__]
        library = "onednn" if multiplies_with_onednn() else "blas"
        if self.arithmetic == "bfloat16":
            library = "instructions" if multiplies_bfloat16() else "emulated"
        capability = torch.backends.cpu.get_cpu_capability()
        return [f"cpu {_ROUNDING}", torch.__version__, capability, str(torch.get_num_threads()), library, processor()]


def open_prefix(
    task: EncodedTask, *, maker: PrefixMaker, may_make: bool, on_wait: Callable[[], None]
) -> EncodedTask | None:
    """Return a task whose batches hold the vectors above the frozen prefix; they are computed unless they exist.

    Args:
        task: A task for which `is_unchanging` holds.
        maker: The encoder.
        may_make: Whether they are computed; otherwise the result is None where they do not exist.
        on_wait: Called again and again while it computes, or waits for another process that computes.

    Raises:
        NoRoomError: They do not fit the space that they may take.
        OSError: The new folder is damaged: the disk does not keep what is written.
    """
    texts = SplitTexts(task)
    folder = maker.folder(texts)
    use = using(folder)
    if not is_whole(folder):
        if not may_make:
            use.close()
            return None
        for _ in making_once(folder, write=lambda part: _write(part, folder=folder, texts=texts, maker=maker)):
            on_wait()
    note_use(folder)
    return task.with_prefix(PrefixVectors(folder, use=use))


def _write(part: Path, *, folder: Path, texts: SplitTexts, maker: PrefixMaker) -> Generator[None]:
    batches = maker.batches(texts)
    first_BTD = maker.vectors(texts, batches[0][:1])
    kind = np.dtype(DTYPES[first_BTD.dtype])
    shape = (len(texts.tokens), first_BTD.shape[-1])
    num_bytes = shape[0] * shape[1] * kind.itemsize + texts.starts.nbytes
    with room_for(num_bytes, part=part, folder=folder, max_bytes=maker.max_bytes):
        vectors_ND = _new_file(part / VECTORS, kind=kind, shape=shape)
    np.save(part / STARTS, texts.starts, allow_pickle=False)
    for numbers in batches:
        found_BTD = maker.vectors(texts, numbers).cpu()
        found_BTD = found_BTD.view(torch.int16) if found_BTD.dtype == torch.bfloat16 else found_BTD
        for row, text in enumerate(numbers.tolist()):
            start, end = texts.starts[text], texts.starts[text + 1]
            vectors_ND[start:end] = found_BTD[row, : end - start].numpy()
        yield
    vectors_ND.flush()


def _new_file(path: Path, *, kind: np.dtype[Any], shape: tuple[int, int]) -> np.memmap[Any, np.dtype[Any]]:
    """Return a new mapped file. Its space is allocated here: writing to a map on a full disk would end the process."""
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        os.posix_fallocate(file.fileno(), 0, file.tell() + shape[0] * shape[1] * kind.itemsize)
    return np.lib.format.open_memmap(path, mode="r+")


def _tensors(module: torch.nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
