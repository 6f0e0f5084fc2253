# ruff: noqa: RUF001 - letters of this language look like others
"""Turkish: the thing a relation starts from is in the genitive; a noun stays singular after a number; no copula."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {2: "iki", 3: "üç", 4: "dört"}
_NOUNS = {
    "circle": ("daire", "dairenin"),
    "square": ("kare", "karenin"),
    "triangle": ("üçgen", "üçgenin"),
    "star": ("yıldız", "yıldızın"),
    "heart": ("kalp", "kalbin"),
    "cross": ("haç", "haçın"),
}
"""Nominative and genitive."""
_ADJECTIVES = {
    "": "",
    "red": "kırmızı",
    "green": "yeşil",
    "blue": "mavi",
    "yellow": "sarı",
    "black": "siyah",
    "white": "beyaz",
    "big": "büyük",
    "small": "küçük",
}


def _phrase(thing: Thing, *, form: Form) -> str:
    colour, noun = _ADJECTIVES[thing.colour], _NOUNS[thing.shape][form == "complement"]
    if thing.count > 1:
        return f"{_NUMBERS[thing.count]} {colour} {noun}"
    article = "bir" if form == "indefinite" else ""
    return f"{_ADJECTIVES[thing.size]} {colour} {article} {noun}"


def _predicate(value: str, *, shape: str) -> str:
    del shape
    return _ADJECTIVES[value]


LANGUAGE = Language(
    code="tr",
    scripts=("LATIN",),
    exists=("{thing} var", "{thing} var"),
    attribute="{thing} {predicate}",
    side="{thing} {side}",
    relation="{thing} {other} {relation}",
    sides={"left": "solda", "right": "sağda", "top": "yukarıda", "bottom": "aşağıda"},
    relations={"left_of": "solunda", "right_of": "sağında", "above": "üstünde", "below": "altında"},
    phrase=_phrase,
    predicate=_predicate,
)
