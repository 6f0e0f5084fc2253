"""German: gender (no feminine noun here), weak and strong adjectives, dative after every relation."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {2: "zwei", 3: "drei", 4: "vier"}
_NOUNS = {
    "circle": ("m", "Kreis", "Kreis", "Kreise"),
    "square": ("n", "Quadrat", "Quadrat", "Quadrate"),
    "triangle": ("n", "Dreieck", "Dreieck", "Dreiecke"),
    "star": ("m", "Stern", "Stern", "Sterne"),
    "heart": ("n", "Herz", "Herzen", "Herzen"),
    "cross": ("n", "Kreuz", "Kreuz", "Kreuze"),
}
"""Gender, nominative and accusative, dative, plural."""
_ADJECTIVES = {
    "": "",
    "red": "rot",
    "green": "grün",
    "blue": "blau",
    "yellow": "gelb",
    "black": "schwarz",
    "white": "weiß",
    "big": "groß",
    "small": "klein",
}
_ARTICLES = {
    ("indefinite", "m"): ("einen", "en"),
    ("indefinite", "n"): ("ein", "es"),
    ("definite", "m"): ("der", "e"),
    ("definite", "n"): ("das", "e"),
    ("complement", "m"): ("dem", "en"),
    ("complement", "n"): ("dem", "en"),
}
"""Article and adjective ending; the indefinite phrase is the accusative object of "es gibt"."""


def _adjective(value: str, *, ending: str) -> str:
    return _ADJECTIVES[value] + ending if value else ""


def _phrase(thing: Thing, *, form: Form) -> str:
    gender, one, dative, several = _NOUNS[thing.shape]
    if thing.count > 1:
        return f"{_NUMBERS[thing.count]} {_adjective(thing.colour, ending='e')} {several}"
    article, ending = _ARTICLES[form, gender]
    noun = dative if form == "complement" else one
    return f"{article} {_adjective(thing.size, ending=ending)} {_adjective(thing.colour, ending=ending)} {noun}"


def _predicate(value: str, *, shape: str) -> str:
    del shape
    return _ADJECTIVES[value]


LANGUAGE = Language(
    code="de",
    scripts=("LATIN",),
    exists=("es gibt {thing}", "es gibt {thing}"),
    attribute="{thing} ist {predicate}",
    side="{thing} ist {side}",
    relation="{thing} ist {relation} {other}",
    sides={"left": "links", "right": "rechts", "top": "oben", "bottom": "unten"},
    relations={"left_of": "links von", "right_of": "rechts von", "above": "über", "below": "unter"},
    phrase=_phrase,
    predicate=_predicate,
)
