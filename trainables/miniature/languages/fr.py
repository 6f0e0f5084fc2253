"""French: size before and colour after the noun, gender and number, elision before "étoile", "de le" -> "du"."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {2: "deux", 3: "trois", 4: "quatre"}
_NOUNS = {
    "circle": ("m", "cercle", "cercles"),
    "square": ("m", "carré", "carrés"),
    "triangle": ("m", "triangle", "triangles"),
    "star": ("f", "étoile", "étoiles"),
    "heart": ("m", "cœur", "cœurs"),
    "cross": ("f", "croix", "croix"),
}
_ADJECTIVES = {
    "": ("", "", "", ""),
    "red": ("rouge", "rouge", "rouges", "rouges"),
    "green": ("vert", "verte", "verts", "vertes"),
    "blue": ("bleu", "bleue", "bleus", "bleues"),
    "yellow": ("jaune", "jaune", "jaunes", "jaunes"),
    "black": ("noir", "noire", "noirs", "noires"),
    "white": ("blanc", "blanche", "blancs", "blanches"),
    "big": ("grand", "grande", "grands", "grandes"),
    "small": ("petit", "petite", "petits", "petites"),
}
"""Masculine, feminine, masculine plural, feminine plural."""
_ARTICLES = {
    "indefinite": ("un ", "une ", "une "),
    "definite": ("le ", "la ", "l'"),
    "complement": ("du ", "de la ", "de l'"),
}
"""Masculine, feminine, before a vowel."""


def _phrase(thing: Thing, *, form: Form) -> str:
    gender, one, several = _NOUNS[thing.shape]
    feminine = gender == "f"
    if thing.count > 1:
        return f"{_NUMBERS[thing.count]} {several} {_ADJECTIVES[thing.colour][2 + feminine]}"
    colour, size = (_ADJECTIVES[value][feminine] for value in (thing.colour, thing.size))
    words = f"{size} {one} {colour}".strip()
    return _ARTICLES[form][2 if words.startswith("é") else feminine] + words


def _predicate(value: str, *, shape: str) -> str:
    return _ADJECTIVES[value][_NOUNS[shape][0] == "f"]


LANGUAGE = Language(
    code="fr",
    scripts=("LATIN",),
    exists=("il y a {thing}", "il y a {thing}"),
    attribute="{thing} est {predicate}",
    side="{thing} est {side}",
    relation="{thing} est {relation} {other}",
    sides={"left": "à gauche", "right": "à droite", "top": "en haut", "bottom": "en bas"},
    relations={"left_of": "à gauche", "right_of": "à droite", "above": "au-dessus", "below": "au-dessous"},
    phrase=_phrase,
    predicate=_predicate,
)
