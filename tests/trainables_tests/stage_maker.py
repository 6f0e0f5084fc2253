"""A process that makes a stage, for tests that race such processes or kill them.

    python -m tests.trainables_tests.stage_maker STORE KEY MADE [hold]

It makes the stage as a trial would: looks, takes the lease, looks again, works, commits; then appends a line to MADE.
With `hold` it stores a checkpoint, prints `held`, and works for ever.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from trainables.stage_store import StageFacts, StageStore, StoredStage

FACTS = StageFacts(
    phase="target", parent=None, steps=3, seconds=1.5, scores={"nli": 0.5}, counts={"nli": 24}, made_with={"ranks": "1"}
)


def make(store: StageStore, key: str, *, text: str = "weights") -> StoredStage:
    """Make a stage of two files, as a trial does."""
    with store.lease(key), store.work_folder(key) as folder:
        (folder / "model.safetensors").write_text(text)
        (folder / "inner").mkdir()
        (folder / "inner/losses.json").write_text("[1.0]")
        return store.commit(key, folder=folder, facts=FACTS)


def main(root: str, key: str, made: str, hold: str = "") -> None:
    store = StageStore(root, cache=Path(made).parent / f"maker-{os.getpid()}")
    if store.find(key):
        return
    with store.lease(key):
        if store.find(key):
            return
        with store.work_folder(key) as folder:
            (folder / "model.safetensors").write_text("weights")
            if hold:
                state = store.root / "work" / f"checkpoint-{os.getpid()}"
                state.mkdir()
                (state / "state").write_text("after step 7")
                store.put_checkpoint(key, step=7, folder=state)
            while hold:
                sys.stdout.write("held\n")
                sys.stdout.flush()
                time.sleep(3600)
            time.sleep(0.2)  # long enough for the others to come to the lease
            store.commit(key, folder=folder, facts=FACTS)
            with Path(made).open("a") as file:
                file.write("made\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
