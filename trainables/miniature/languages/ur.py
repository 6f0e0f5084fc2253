# ruff: noqa: RUF001 - letters of this language look like others
"""Urdu: "cross" is feminine, the other nouns masculine; -a turns to -e in the plural and before a postposition."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {2: "دو", 3: "تین", 4: "چار"}
_NOUNS = {
    "circle": ("m", "دائرہ", "دائرے", "دائرے"),
    "square": ("m", "مربع", "مربع", "مربع"),
    "triangle": ("m", "مثلث", "مثلث", "مثلث"),
    "star": ("m", "ستارہ", "ستارے", "ستارے"),
    "heart": ("m", "دل", "دل", "دل"),
    "cross": ("f", "صلیب", "صلیب", "صلیبیں"),
}
"""Gender, direct, oblique, plural."""
_ADJECTIVES = {
    "": ("", "", ""),
    "red": ("سرخ", "سرخ", "سرخ"),
    "green": ("سبز", "سبز", "سبز"),
    "blue": ("نیلا", "نیلے", "نیلی"),
    "yellow": ("پیلا", "پیلے", "پیلی"),
    "black": ("کالا", "کالے", "کالی"),
    "white": ("سفید", "سفید", "سفید"),
    "big": ("بڑا", "بڑے", "بڑی"),
    "small": ("چھوٹا", "چھوٹے", "چھوٹی"),
}
"""Masculine direct; masculine oblique or plural; feminine."""


def _adjective(value: str, *, gender: str, changed: bool) -> str:
    return _ADJECTIVES[value][2 if gender == "f" else changed]


def _phrase(thing: Thing, *, form: Form) -> str:
    gender, direct, oblique, plural = _NOUNS[thing.shape]
    changed = thing.count > 1 or form == "complement"
    noun = plural if thing.count > 1 else oblique if form == "complement" else direct
    size = _adjective(thing.size, gender=gender, changed=changed)
    words = f"{size} {_adjective(thing.colour, gender=gender, changed=changed)} {noun}"
    if form == "indefinite":
        return f"{_NUMBERS.get(thing.count, 'ایک')} {words}"
    return words


def _predicate(value: str, *, shape: str) -> str:
    return _adjective(value, gender=_NOUNS[shape][0], changed=False)


LANGUAGE = Language(
    code="ur",
    scripts=("ARABIC",),
    exists=("یہاں {thing} ہے", "یہاں {thing} ہیں"),
    attribute="{thing} {predicate} ہے",
    side="{thing} {side} ہے",
    relation="{thing} {other} کے {relation} ہے",
    sides={"left": "بائیں طرف", "right": "دائیں طرف", "top": "اوپر", "bottom": "نیچے"},
    relations={"left_of": "بائیں طرف", "right_of": "دائیں طرف", "above": "اوپر", "below": "نیچے"},
    phrase=_phrase,
    predicate=_predicate,
    stop="۔",
)
