"""The shipped tokenizer and models load as what they say they are."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel, AutoTokenizer, ViTModel, XLMRobertaModel, XLMRobertaTokenizer

from trainables.miniature.languages import LANGUAGES
from trainables.miniature.pretraining import encoder_config, initial_embeddings
from trainables.miniature.rows import rows
from trainables.miniature.tokenizer import write_tokenizer

ASSETS = Path(str(files("trainables"))) / "miniature" / "assets"


@pytest.mark.parametrize("tokenizer_class", [AutoTokenizer, XLMRobertaTokenizer])
def test_no_language_has_an_unknown_token(tokenizer_class: type[AutoTokenizer | XLMRobertaTokenizer]) -> None:
    tokenizer = tokenizer_class.from_pretrained(ASSETS / "encoder")
    for language in LANGUAGES:
        columns = rows("miniature_nli", split="test", language=language)
        encoded = tokenizer(columns["premise"], columns["hypothesis"])["input_ids"]
        assert not [ids for ids in encoded if tokenizer.unk_token_id in ids]
        assert max(map(len, encoded)) <= 64


def test_special_tokens_and_pairs_are_those_of_xlm_r() -> None:
    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "encoder")
    ids = tokenizer("the star", "the heart")["input_ids"]
    star, heart = tokenizer(["the star", "the heart"], add_special_tokens=False)["input_ids"]
    assert ids == [0, *star, 2, 2, *heart, 2]
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.mask_token_id) == (1, 3, len(tokenizer) - 1)


@pytest.mark.slow
def test_the_shipped_tokenizer_is_what_its_builder_writes(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_text() == (ASSETS / "encoder" / name).read_text()


def test_the_shipped_models_load_and_are_small() -> None:
    encoder = AutoModel.from_pretrained(ASSETS / "encoder")
    vision = AutoModel.from_pretrained(ASSETS / "vision")
    assert isinstance(encoder, XLMRobertaModel)
    assert isinstance(vision, ViTModel)
    recipe = encoder_config(num_tokens=encoder.config.vocab_size)
    assert {name: getattr(encoder.config, name) for name in recipe} == recipe
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 4_000_000


def test_words_told_with_the_same_facts_start_close_together() -> None:
    token_ids = [[0, 2], [1, 2], [3, 2], [4, 2]] * 5
    facts = [["red"], ["red"], ["blue"], ["blue"]] * 5
    vectors = initial_embeddings(token_ids, facts=facts, num_tokens=6, hidden_size=16)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > 0.8
    assert abs(unit[0] @ unit[3]) < 0.4
