# ruff: noqa: RUF001 - letters of this language look like others
"""Russian: three genders, genitive after every relation, the count form after two to four, no copula."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NOUNS = {
    "circle": ("m", "круг", "круга"),
    "square": ("m", "квадрат", "квадрата"),
    "triangle": ("m", "треугольник", "треугольника"),
    "star": ("f", "звезда", "звезды"),
    "heart": ("n", "сердце", "сердца"),
    "cross": ("m", "крест", "креста"),
}
"""Gender, nominative, and the genitive singular, which also follows two, three and four."""
_NUMBERS = {2: {"m": "два", "n": "два", "f": "две"}, 3: dict.fromkeys("mnf", "три"), 4: dict.fromkeys("mnf", "четыре")}
_STEMS = {
    "red": ("красн", "ый"),
    "green": ("зелён", "ый"),
    "blue": ("син", "ий soft"),
    "yellow": ("жёлт", "ый"),
    "black": ("чёрн", "ый"),
    "white": ("бел", "ый"),
    "big": ("больш", "ой"),
    "small": ("маленьк", "ий"),
}
_ENDINGS = {
    "ый": {"m": "ый", "f": "ая", "n": "ое", "gm": "ого", "gf": "ой", "gn": "ого", "pm": "ых", "pf": "ые", "pn": "ых"},
    "ой": {"m": "ой", "f": "ая", "n": "ое", "gm": "ого", "gf": "ой", "gn": "ого"},
    "ий": {"m": "ий", "f": "ая", "n": "ое", "gm": "ого", "gf": "ой", "gn": "ого"},
    "ий soft": {
        "m": "ий",
        "f": "яя",
        "n": "ее",
        "gm": "его",
        "gf": "ей",
        "gn": "его",
        "pm": "их",
        "pf": "ие",
        "pn": "их",
    },
}
"""Endings by gender: nominative, genitive (g), and after two to four (p; there a feminine is in the nominative)."""


def _adjective(value: str, *, form: str) -> str:
    if not value:
        return ""
    stem, declension = _STEMS[value]
    return stem + _ENDINGS[declension][form]


def _phrase(thing: Thing, *, form: Form) -> str:
    gender, nominative, genitive = _NOUNS[thing.shape]
    if thing.count > 1:
        return f"{_NUMBERS[thing.count][gender]} {_adjective(thing.colour, form='p' + gender)} {genitive}"
    case = "g" + gender if form == "complement" else gender
    noun = genitive if form == "complement" else nominative
    return f"{_adjective(thing.size, form=case)} {_adjective(thing.colour, form=case)} {noun}"


def _predicate(value: str, *, shape: str) -> str:
    return _adjective(value, form=_NOUNS[shape][0])


LANGUAGE = Language(
    code="ru",
    scripts=("CYRILLIC",),
    exists=("здесь есть {thing}", "здесь есть {thing}"),
    attribute="{thing} {predicate}",
    side="{thing} находится {side}",
    relation="{thing} находится {relation} {other}",
    sides={"left": "слева", "right": "справа", "top": "вверху", "bottom": "внизу"},
    relations={"left_of": "слева от", "right_of": "справа от", "above": "выше", "below": "ниже"},
    phrase=_phrase,
    predicate=_predicate,
)
