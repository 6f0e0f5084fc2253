# ruff: noqa: RUF001 - the stop of Urdu looks like a hyphen
"""Builds the miniature's tokenizer: an XLM-R tokenizer of about 1,100 pieces.

The pieces come from byte-pair merges and become a Unigram model, the kind XLM-R has, with scores from their counts.
`UnigramTrainer` is not used: for texts with few distinct words, it split the most frequent words into letters.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from trainables.miniature.draws import seeded
from trainables.miniature.inference import draw_inference
from trainables.miniature.languages import LANGUAGES, words
from trainables.miniature.parallel import draw_statement

NUM_BYTE_PAIR_PIECES = 2_600
"""Maximum number of byte-pair pieces; pieces that only lead to longer ones are removed afterwards."""
NUM_TEXTS = 3_000
"""Texts per language from which the pieces are counted."""
MAX_LENGTH = 128
"""Maximum length of a sequence in tokens."""
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_MASK = "<mask>"
_SPACE = "\u2581"
_CUT = "\u241f"
_UNSPACED = ("th", "zh")


def _marked(language: str, *, rng: Random) -> str:
    """Return a text with a mark between words, which no piece crosses; a space is the metaspace of the next word."""
    statements = draw_inference(rng).premise if rng.random() < 0.5 else (draw_statement(rng),)  # noqa: PLR2004
    found = words(statements, language=language)
    start = [_SPACE] + [_SPACE if language not in _UNSPACED else ""] * (len(found) - 1)
    stops = (".", "।", "۔", "。")
    return _CUT.join(("" if word in stops else mark) + word for mark, word in zip(start, found, strict=True))


def _corpus() -> Iterator[str]:
    for language in LANGUAGES:
        rng = seeded(f"miniature tokenizer {language}")
        for _ in range(NUM_TEXTS):
            yield _marked(language, rng=rng)


def _byte_pair_model(normaliser: normalizers.Normalizer) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.normalizer = normaliser
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_CUT, "removed")
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    trainer = trainers.BpeTrainer(
        vocab_size=NUM_BYTE_PAIR_PIECES, initial_alphabet=[_SPACE, *letters], special_tokens=[], show_progress=False
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    return tokenizer


def _scored_pieces(byte_pairs: Tokenizer) -> list[tuple[str, float]]:
    counts: Counter[str] = Counter()
    for encoding in byte_pairs.encode_batch(list(_corpus())):
        counts.update(encoding.tokens)
    kept = [piece for piece in byte_pairs.get_vocab() if counts[piece] or len(piece) == 1]
    ranked = sorted(((piece, counts[piece] + 0.1) for piece in kept), key=lambda item: (-item[1], item[0]))
    total = math.log(sum(count for _, count in ranked))
    return [(piece, round(math.log(count) - total, 6)) for piece, count in ranked]


def build_tokenizer() -> Tokenizer:
    """Return the miniature's tokenizer, built from its own texts; it is the same in every run."""
    normaliser = normalizers.NFKC()
    pieces = _scored_pieces(_byte_pair_model(normaliser))
    vocabulary = [(token, 0.0) for token in _SPECIAL] + pieces + [(_MASK, 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=_SPECIAL.index("<unk>")))
    tokenizer.normalizer = normaliser
    metaspace = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    ends = [(token, _SPECIAL.index(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    tokenizer.add_special_tokens([*_SPECIAL, AddedToken(_MASK, lstrip=True)])
    return tokenizer


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json, which `AutoTokenizer` and XLM-R's own class both load."""
    build_tokenizer().save(str(folder / "tokenizer.json"))
    roles = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "sep_token": "</s>"}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MAX_LENGTH,
        **roles,
        "unk_token": "<unk>",
        "mask_token": _MASK,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
