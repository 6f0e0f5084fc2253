# ruff: noqa: RUF001 - letters of one language look like those of another
"""Every language says everything, in its own script."""

import re
import unicodedata
from itertools import product

import pytest

from trainables.miniature.languages import LANGUAGES, language_of, sentence
from trainables.miniature.world import (
    COLOURS,
    COUNTS,
    RELATIONS,
    SHAPES,
    SIDES,
    SIZES,
    Statement,
    Thing,
    coloured,
    exists,
    placed,
    related,
    sized,
)

LATIN = ("de", "en", "es", "fr", "sw", "tr", "vi")


def every_thing() -> list[Thing]:
    """Every thing that a phrase can describe."""
    singles = [Thing(shape, 1, size, colour) for shape, size, colour in product(SHAPES, ("", *SIZES), ("", *COLOURS))]
    return singles + [
        Thing(shape, count, "", colour) for shape, count, colour in product(SHAPES, COUNTS, ("", *COLOURS))
    ]


def every_statement() -> list[Statement]:
    """Every kind of statement with every thing; relations with plain and with described things."""
    things = every_thing()
    singles = [thing for thing in things if thing.count == 1]
    statements = [exists(thing) for thing in things]
    statements += [coloured(t, colour=colour) for t in singles if not t.colour for colour in COLOURS]
    statements += [sized(t, size=size) for t in singles if not t.size for size in SIZES]
    statements += [placed(t, side=side) for t in singles for side in SIDES]
    for relation, other in product(RELATIONS, singles):
        subject = Thing("star" if other.shape != "star" else "cross", size=other.size)
        statements.append(related(subject, relation=relation, other=other))
    return statements


def scripts_of(text: str) -> set[str]:
    """The first words of the Unicode names of the letters."""
    return {unicodedata.name(letter).split()[0] for letter in text if unicodedata.category(letter)[0] == "L"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_different_statements_have_different_complete_sentences(language: str) -> None:
    statements = every_statement()
    texts = [sentence(statement, language=language) for statement in statements]
    assert len(set(texts)) == len(statements)
    assert not [text for text in texts if re.search(r"[{}_]|  |None", text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_written_in_its_own_script_alone(language: str) -> None:
    letters = "".join(sentence(statement, language=language) for statement in every_statement())
    assert scripts_of(letters) == set(language_of(language).scripts)
    assert (language_of(language).scripts == ("LATIN",)) == (language in LATIN)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_changes_the_sentence(language: str) -> None:
    star, circle = Thing("star"), Thing("circle")
    told = [sentence(coloured(star, colour=colour), language=language) for colour in COLOURS]
    told += [sentence(sized(star, size=size), language=language) for size in SIZES]
    told += [sentence(placed(star, side=side), language=language) for side in SIDES]
    told += [sentence(related(star, relation=relation, other=circle), language=language) for relation in RELATIONS]
    assert len(set(told)) == len(COLOURS) + len(SIZES) + len(SIDES) + len(RELATIONS)


BIG_RED_STAR = exists(Thing("star", 1, "big", "red"))
THREE_GREEN_HEARTS = exists(Thing("heart", 3, "", "green"))
STAR_LEFT_OF_BLUE_HEART = related(Thing("star"), relation="left_of", other=Thing("heart", colour="blue"))


@pytest.mark.parametrize(
    ("language", "statement", "text"),
    [
        ("ar", BIG_RED_STAR, "هناك نجمة حمراء كبيرة."),
        ("ar", THREE_GREEN_HEARTS, "هناك ثلاثة قلوب خضراء."),
        ("ar", exists(Thing("circle", 2, "", "white")), "هناك دائرتان بيضاوان."),
        ("bg", placed(Thing("circle", colour="black"), side="top"), "черният кръг е горе."),
        ("bg", exists(Thing("circle", 2)), "има два кръга."),
        ("de", STAR_LEFT_OF_BLUE_HEART, "der Stern ist links von dem blauen Herzen."),
        ("de", exists(Thing("star", 1, "big")), "es gibt einen großen Stern."),
        ("el", THREE_GREEN_HEARTS, "υπάρχουν τρεις πράσινες καρδιές."),
        ("el", STAR_LEFT_OF_BLUE_HEART, "το αστέρι είναι αριστερά από την μπλε καρδιά."),
        ("es", related(Thing("cross"), relation="above", other=Thing("circle")), "la cruz está encima del círculo."),
        ("fr", related(Thing("cross"), relation="above", other=Thing("star")), "la croix est au-dessus de l'étoile."),
        ("hi", related(Thing("cross"), relation="above", other=Thing("star")), "क्रॉस तारे के ऊपर है।"),
        ("ru", THREE_GREEN_HEARTS, "здесь есть три зелёных сердца."),
        ("ru", exists(Thing("star", 2, "", "red")), "здесь есть две красные звезды."),
        ("sw", exists(Thing("circle", 2, "", "white")), "kuna maduara meupe mawili."),
        ("sw", THREE_GREEN_HEARTS, "kuna mioyo ya kijani mitatu."),
        ("th", THREE_GREEN_HEARTS, "มีหัวใจสีเขียวสามดวง"),
        ("tr", STAR_LEFT_OF_BLUE_HEART, "yıldız mavi kalbin solunda."),
        ("ur", exists(Thing("cross", colour="blue")), "یہاں ایک نیلی صلیب ہے۔"),
        ("vi", BIG_RED_STAR, "có một ngôi sao lớn màu đỏ."),
        ("zh", BIG_RED_STAR, "有一颗红色的大星星。"),
    ],
)
def test_agreement_case_and_classifiers(language: str, statement: Statement, text: str) -> None:
    assert sentence(statement, language=language).strip() == text


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no language 'it'"):
        language_of("it")
