"""Plants errors of vendors in real ranks: what cannot be had here is a GPU that breaks, its words can."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

PLANTED = Path(__file__).with_name("planted")
ALWAYS = 1 << 20

ECC = "CUDA error: uncorrectable ECC error encountered"
LAUNCH = "CUDA error: unspecified launch failure"
ILLEGAL = "CUDA error: an illegal memory access was encountered"
MEMORY = "CUDA out of memory. Tried to allocate 20.00 MiB."


@dataclass(frozen=True, slots=True, kw_only=True)
class Planting:
    """A place for a planted error; nothing fails until one is planted.

    Args:
        folder: Empty folder.
    """

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "planted.json"

    @property
    def variables(self) -> dict[str, str]:
        """What stands in the environment of the processes that are to fail."""
        paths = [str(PLANTED), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(paths), "XSTILTS_PLANTED": str(self.file)}

    @property
    def num_fired(self) -> int:
        """How often it was raised."""
        return len(list(self.folder.glob("planted.json.*")))

    def plant(
        self, text: str, *, times: int = ALWAYS, least_tokens: int = 0, gpu: str | None = None, error: str = ""
    ) -> None:
        """Have jobs fail from now on.

        Args:
            text: What is said.
            times: How often.
            least_tokens: Only jobs whose passes have at least so many tokens.
            gpu: Only on this GPU, by Ray's number; None has any rank fail.
            error: Name of torch's error type; empty is RuntimeError.
        """
        self.clear()
        fields = {"type": error, "text": text, "times": times, "least_tokens": least_tokens}
        part = self.folder / "part"
        part.write_text(json.dumps(fields | ({} if gpu is None else {"gpu": gpu})))
        part.rename(self.file)

    def clear(self) -> None:
        """Have them work again."""
        for path in self.folder.glob("planted.json*"):
            path.unlink()
