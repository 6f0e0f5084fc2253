# ruff: noqa: RUF001, RUF002 - letters of this language look like others
"""Bulgarian: the article is a suffix of the phrase's first word (full -ът as subject, short -а after a preposition)."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NOUNS = {
    "circle": ("m", "кръг", "кръга", "кръгът"),
    "square": ("m", "квадрат", "квадрата", "квадратът"),
    "triangle": ("m", "триъгълник", "триъгълника", "триъгълникът"),
    "star": ("f", "звезда", "звезди", "звездата"),
    "heart": ("n", "сърце", "сърца", "сърцето"),
    "cross": ("m", "кръст", "кръста", "кръстът"),
}
"""Gender, singular, the form after a number (a masculine's count form), definite subject.

A masculine's short definite form is spelt as its count form.
"""
_NUMBERS = {2: {"m": "два", "f": "две", "n": "две"}, 3: dict.fromkeys("mfn", "три"), 4: dict.fromkeys("mfn", "четири")}
_ADJECTIVES = {
    "red": ("червен", "червена", "червено", "червени"),
    "green": ("зелен", "зелена", "зелено", "зелени"),
    "blue": ("син", "синя", "синьо", "сини"),
    "yellow": ("жълт", "жълта", "жълто", "жълти"),
    "black": ("черен", "черна", "черно", "черни"),
    "white": ("бял", "бяла", "бяло", "бели"),
    "big": ("голям", "голяма", "голямо", "големи"),
    "small": ("малък", "малка", "малко", "малки"),
}
"""Masculine, feminine, neuter, plural; a masculine's definite form is its plural + "ят" or "я"."""


def _adjective(value: str, *, gender: str) -> str:
    return _ADJECTIVES[value]["mfn".index(gender)]


def _definite_adjective(value: str, *, gender: str, form: Form) -> str:
    if gender == "m":
        return _ADJECTIVES[value][3] + ("ят" if form == "definite" else "я")
    return _adjective(value, gender=gender) + {"f": "та", "n": "то"}[gender]


def _definite_noun(shape: str, *, form: Form) -> str:
    gender, _, counted, definite = _NOUNS[shape]
    return counted if gender == "m" and form == "complement" else definite


def _phrase(thing: Thing, *, form: Form) -> str:
    gender, one, counted, _ = _NOUNS[thing.shape]
    if thing.count > 1:
        colour = _ADJECTIVES[thing.colour][3] if thing.colour else ""
        return f"{_NUMBERS[thing.count][gender]} {colour} {counted}"
    values = [value for value in (thing.size, thing.colour) if value]
    adjectives = [_adjective(value, gender=gender) for value in values]
    if form == "indefinite":
        article = "една" if gender == "f" else "един" if gender == "m" else "едно"
        return " ".join([article, *adjectives, one])
    if not values:
        return _definite_noun(thing.shape, form=form)
    first = _definite_adjective(values[0], gender=gender, form=form)
    return " ".join([first, *adjectives[1:], one])


def _predicate(value: str, *, shape: str) -> str:
    return _adjective(value, gender=_NOUNS[shape][0])


LANGUAGE = Language(
    code="bg",
    scripts=("CYRILLIC",),
    exists=("има {thing}", "има {thing}"),
    attribute="{thing} е {predicate}",
    side="{thing} е {side}",
    relation="{thing} е {relation} {other}",
    sides={"left": "вляво", "right": "вдясно", "top": "горе", "bottom": "долу"},
    relations={"left_of": "вляво от", "right_of": "вдясно от", "above": "над", "below": "под"},
    phrase=_phrase,
    predicate=_predicate,
)
