"""Texts that spell special tokens, in every kind and with tokenizers of several models, the mirror's among them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

import trainables
from trainables.models.encoder import load_tokenizer
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import CollateContext, EncodingContext
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec
from trainables.tasks.special_tokens import SpellingCounter, special_tokens

MINIATURE = Path(trainables.__file__).parent / "miniature" / "assets" / "encoder"
MIRRORED = "models/lab/xlmr-e5-small-6l"
XLM_R = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the star is red and the circle is blue", "mask pad s unk sep cls", "< / > [ ] a b c d e f g h i k l m n o p"]


def unigram(folder: Path) -> Path:
    del folder
    return MINIATURE


def mirrored(folder: Path) -> Path:
    del folder
    path = Path(os.environ.get("XSTILTS_MIRROR", "/nowhere")) / MIRRORED
    if not path.is_dir():
        pytest.skip("XSTILTS_MIRROR has no encoder of XLM-R's: no real tokenizer here")
    return path


def word_piece(folder: Path) -> Path:
    """BERT's own kind."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(WORDS, trainers.WordPieceTrainer(special_tokens=BERT, show_progress=False))
    return _saved(tokenizer, folder, names=BERT)


def word_piece_that_keeps_words(folder: Path) -> Path:
    """One whose pre-tokeniser splits at blanks alone, so that `[SEP]` is a word of its vocabulary."""
    tokenizer = Tokenizer.from_file(str(word_piece(folder) / "tokenizer.json"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _saved(tokenizer, folder, names=BERT)


def bytes_pairs(folder: Path) -> Path:
    """RoBERTa's kind."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(special_tokens=XLM_R, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(WORDS, trainer)
    return _saved(tokenizer, folder, names=XLM_R)


def _saved(tokenizer: Tokenizer, folder: Path, *, names: list[str]) -> Path:
    by_end = {name.strip("<[]>/").lower(): name for name in names if name != "</s>"}
    first, last = by_end.get("cls", "<s>"), by_end.get("sep", "</s>")
    ids = [(name, tokenizer.token_to_id(name)) for name in (first, last)]
    template = {"single": f"{first} $A {last}", "pair": f"{first} $A {last} $B {last}"}
    tokenizer.post_processor = processors.TemplateProcessing(**template, special_tokens=ids)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token=first,
        sep_token=last,
        unk_token=by_end["unk"],
        pad_token=by_end["pad"],
        mask_token=by_end["mask"],
    ).save_pretrained(folder)
    return folder


MAKERS: list[Callable[[Path], Path]] = [unigram, mirrored, word_piece, word_piece_that_keeps_words, bytes_pairs]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return request.param(tmp_path)


@pytest.fixture
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(folder)


def control_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Return the ids of special tokens, but the one for what is unknown, which any text may have."""
    return {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}


def spellings(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    special = special_tokens(tokenizer)
    wide = [token.translate({ord("<"): "\uff1c", ord(">"): "\uff1e"}) for token in special]
    forms = ["{}", "a {} b", "a{}b", "{0}{0}", "<{}>", " {} ", "{}."]
    return [form.format(token) for token in (*special, *wide) for form in forms]


def encode(tokenizer: PreTrainedTokenizerBase, spec: TaskSpec, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return kind(spec.kind).encode(rows, EncodingContext(spec=spec, tokenizer=tokenizer, max_length=64))


def test_a_text_that_spells_a_special_token_has_none(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = spellings(tokenizer)
    for text, ids in zip(texts, tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True):
        assert ids, text
        assert control_ids(tokenizer).isdisjoint(ids), text


def test_the_template_keeps_its_special_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    single, pair = tokenizer("a </s> b")["input_ids"], tokenizer("a [SEP] b", "c <s> d")["input_ids"]
    for ids, most in ((single, 1), (pair, 3)):
        assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert 1 <= ids.count(tokenizer.sep_token_id) <= most


def test_a_text_that_spells_none_is_read_as_before(folder: Path) -> None:
    texts = [*WORDS, "", "a < b > c", "</ s>", "ein Stern über 红色的星", "x" * 300, "a\u0000b\n\tc", "[ SEP ]"]
    before = AutoTokenizer.from_pretrained(folder)(texts, texts[::-1], truncation="longest_first", max_length=40)
    now = load_tokenizer(folder)(texts, texts[::-1], truncation="longest_first", max_length=40)
    assert now["input_ids"] == before["input_ids"]


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here")
def test_real_texts_are_read_as_before() -> None:
    from trainables.data.sources.loader import load_rows

    rows = load_rows(task("xnli"), split="validation", language="th")
    texts = [*rows["premise"][:400], *load_rows(task("mnli"), split="validation")["premise"][:1000]]
    path = mirrored(Path())
    assert load_tokenizer(path)(texts)["input_ids"] == AutoTokenizer.from_pretrained(path)(texts)["input_ids"]


def test_a_pair_has_the_separators_of_the_template_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = spellings(tokenizer)
    spec = task("snli")
    rows = {"premise": texts, "hypothesis": texts[::-1], "label": [0] * len(texts)}
    plain = encode(tokenizer, spec, {"premise": ["a"], "hypothesis": ["b"], "label": [0]})["input_ids"][0]
    control = control_ids(tokenizer)
    expected = [token for token in plain if token in control]
    for ids in encode(tokenizer, spec, rows)["input_ids"]:
        assert [token for token in ids if token in control] == expected


def test_words_of_a_sentence_are_read_as_text(tokenizer: PreTrainedTokenizerBase) -> None:
    words = [word for word in spellings(tokenizer) if word == word.strip() and " " not in word][:12]
    spec = task("panx").model_copy(update={"labels": ("O", "N")})
    found = encode(tokenizer, spec, {"tokens": [["a", *words]], "tags": [[1] * (len(words) + 1)]})
    control = control_ids(tokenizer)
    assert sum(len(starts) for starts in found["word_starts"]) == len(words) + 1
    assert all(control.isdisjoint(ids[1:-1]) for ids in found["input_ids"])


def test_an_answer_that_spells_a_token_keeps_its_characters(tokenizer: PreTrainedTokenizerBase) -> None:
    token = special_tokens(tokenizer)[-1]
    context = f"a {token} b {token} is c"
    start = context.index("b ")
    answer = f"b {token}"
    rows = {"context": [context], "question": [f"b {token}"], "answers": [{"text": [answer], "answer_start": [start]}]}
    found = encode(tokenizer, task("squad"), rows)
    first, last = (found[name][0] - found["context_start"][0] for name in ("start", "end"))
    assert found["text"][0][found["text_starts"][0][first] : found["text_ends"][0][last]].strip() == answer
    assert control_ids(tokenizer).isdisjoint(found["input_ids"][0][found["context_start"][0] : -1])


def test_a_masked_text_hides_what_spells_a_token_as_any_other(tokenizer: PreTrainedTokenizerBase) -> None:
    token = special_tokens(tokenizer)[0]
    spec = task("miniature_text")
    column = {"text": [f"{token} a"] * 8}
    found = encode(tokenizer, spec.model_copy(update={"columns": {"text": "text"}}), column)
    context = CollateContext(spec=spec, tokenizer=tokenizer, generator=np.random.default_rng(0))
    examples = [{name: np.asarray(values[row]) for name, values in found.items()} for row in range(8)]
    targets_BT = kind("masked_lm").collate(examples, context)["targets_BT"].numpy()
    assert (targets_BT >= 0).any(axis=1).all()
    assert control_ids(tokenizer).isdisjoint(np.unique(targets_BT).tolist())


def test_a_query_and_a_candidate_are_read_as_text(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = spellings(tokenizer)
    found = encode(tokenizer, task("tatoeba"), {"query": texts, "candidate": texts})
    control = control_ids(tokenizer)
    assert all(control.isdisjoint(ids[1:-1]) for ids in found["input_ids"])


def test_rows_that_spell_special_tokens_are_counted_once_each() -> None:
    counter = SpellingCounter("sentence_pair", tokenizer=load_tokenizer(MINIATURE))
    premises = ["a </s> b </s>", "a < / s > b", "plain", "\uff1cmask\uff1e ä", "<s>"]
    counter.add({"premise": premises, "hypothesis": ["b", "<mask", "b", "b", "<mask>"], "label": [0] * 5})
    assert (counter.num_rows, list(counter.spelled)) == (3, ["</s>", "<mask>", "<s>"])


def test_words_and_choices_are_counted_too() -> None:
    tokenizer = load_tokenizer(MINIATURE)
    words, choices = (
        SpellingCounter("tagging", tokenizer=tokenizer),
        SpellingCounter("multiple_choice", tokenizer=tokenizer),
    )
    words.add({"tokens": [["a", "<pad>"], ["b"]], "tags": [[0, 0], [0]]})
    choices.add({"question": ["a", "b"], "choices": [["c", "<unk>"], ["d", "e"]], "label": [0, 1]})
    assert (words.num_rows, choices.num_rows) == (1, 1)
