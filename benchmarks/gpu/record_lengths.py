"""Records how long the texts of MNLI and of XNLI's languages are, in tokens of XLM-R, for `throughput.py`.

    python benchmarks/gpu/record_lengths.py FILE

It reads the mirror of XSTILTS_MIRROR. The file holds counts only: text -> length -> number of pairs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from trainables.config.evaluation import XNLI_LANGUAGES
from trainables.data.encoded_split import EncodedRequest, TokenizerSource, open_encoded_task, tokenizer_fingerprint
from trainables.models.encoder import load_tokenizer
from trainables.plan.starting_weights import encoder_folder
from trainables.tasks.registry import task

ENCODER = "lab/xlmr-e5-small-6l"
"""Its tokenizer is that of XLM-R."""

MAX_LENGTH = 128


def main() -> None:
    """Write the file that the first argument names."""
    folder = encoder_folder(ENCODER, revision=None)
    source = TokenizerSource(tokenizer=load_tokenizer(folder), fingerprint=tokenizer_fingerprint(folder))
    splits = {"mnli": ("mnli", "train", "en")} | {
        f"xnli {language}": ("xnli", "validation", language) for language in XNLI_LANGUAGES
    }
    counts: dict[str, dict[int, int]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for name, (of_task, split, language) in splits.items():
            encoded = open_encoded_task(
                EncodedRequest(
                    spec=task(of_task),
                    split=split,
                    tokenizer=source,
                    max_length=MAX_LENGTH,
                    cache=Path(cache),
                    language=language,
                )
            )
            counts[name] = dict(sorted(Counter(encoded.lengths.tolist()).items()))
    Path(sys.argv[1]).write_text(json.dumps({"max_length": MAX_LENGTH, "counts": counts}) + "\n")


if __name__ == "__main__":
    main()
