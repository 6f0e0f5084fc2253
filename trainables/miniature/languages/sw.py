"""Swahili: everything agrees with the noun's class (3/4 mraba, 5/6 duara, 9/10 nyota)."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NOUNS = {
    "circle": (5, "duara", "maduara"),
    "square": (3, "mraba", "miraba"),
    "triangle": (9, "pembetatu", "pembetatu"),
    "star": (9, "nyota", "nyota"),
    "heart": (3, "moyo", "mioyo"),
    "cross": (3, "msalaba", "misalaba"),
}
"""Class of the singular (its plural is the next class), singular, plural."""
_ADJECTIVES = {
    "red": {3: "mwekundu", 4: "myekundu", 5: "jekundu", 6: "mekundu", 9: "nyekundu", 10: "nyekundu"},
    "black": {3: "mweusi", 4: "myeusi", 5: "jeusi", 6: "meusi", 9: "nyeusi", 10: "nyeusi"},
    "white": {3: "mweupe", 4: "myeupe", 5: "jeupe", 6: "meupe", 9: "nyeupe", 10: "nyeupe"},
    "big": {3: "mkubwa", 4: "mikubwa", 5: "kubwa", 6: "makubwa", 9: "kubwa", 10: "kubwa"},
    "small": {3: "mdogo", 4: "midogo", 5: "dogo", 6: "madogo", 9: "ndogo", 10: "ndogo"},
}
_NOUN_COLOURS = {"green": "kijani", "blue": "bluu", "yellow": "manjano"}
"""Colours that are nouns, joined by the class's "of"."""
_OF = {3: "wa", 4: "ya", 5: "la", 6: "ya", 9: "ya", 10: "za"}
_NUMBERS = {
    2: {4: "miwili", 6: "mawili", 10: "mbili"},
    3: {4: "mitatu", 6: "matatu", 10: "tatu"},
    4: {4: "minne", 6: "manne", 10: "nne"},
}
_AT = {3: "uko", 5: "liko", 9: "iko"}


def _adjective(value: str, *, noun_class: int) -> str:
    if value in _NOUN_COLOURS:
        return f"{_OF[noun_class]} {_NOUN_COLOURS[value]}"
    return _ADJECTIVES[value][noun_class] if value else ""


def _phrase(thing: Thing, *, form: Form) -> str:
    del form
    noun_class, one, several = _NOUNS[thing.shape]
    if thing.count > 1:
        noun_class += 1
        return f"{several} {_adjective(thing.colour, noun_class=noun_class)} {_NUMBERS[thing.count][noun_class]}"
    size = _adjective(thing.size, noun_class=noun_class)
    return f"{one} {size} {_adjective(thing.colour, noun_class=noun_class)}"


def _predicate(value: str, *, shape: str) -> str:
    return _adjective(value, noun_class=_NOUNS[shape][0])


LANGUAGE = Language(
    code="sw",
    scripts=("LATIN",),
    exists=("kuna {thing}", "kuna {thing}"),
    attribute="{thing} ni {predicate}",
    side="{thing} {at} {side}",
    relation="{thing} {at} {relation} {other}",
    sides={"left": "upande wa kushoto", "right": "upande wa kulia", "top": "juu", "bottom": "chini"},
    relations={
        "left_of": "upande wa kushoto wa",
        "right_of": "upande wa kulia wa",
        "above": "juu ya",
        "below": "chini ya",
    },
    phrase=_phrase,
    predicate=_predicate,
    at={shape: _AT[noun[0]] for shape, noun in _NOUNS.items()},
)
