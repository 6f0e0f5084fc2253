"""Spanish: adjectives follow the noun and agree in gender and number; "de el" contracts to "del"."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {2: "dos", 3: "tres", 4: "cuatro"}
_NOUNS = {
    "circle": ("m", "círculo", "círculos"),
    "square": ("m", "cuadrado", "cuadrados"),
    "triangle": ("m", "triángulo", "triángulos"),
    "star": ("f", "estrella", "estrellas"),
    "heart": ("m", "corazón", "corazones"),
    "cross": ("f", "cruz", "cruces"),
}
_ADJECTIVES = {
    "": ("", "", "", ""),
    "red": ("rojo", "roja", "rojos", "rojas"),
    "green": ("verde", "verde", "verdes", "verdes"),
    "blue": ("azul", "azul", "azules", "azules"),
    "yellow": ("amarillo", "amarilla", "amarillos", "amarillas"),
    "black": ("negro", "negra", "negros", "negras"),
    "white": ("blanco", "blanca", "blancos", "blancas"),
    "big": ("grande", "grande", "grandes", "grandes"),
    "small": ("pequeño", "pequeña", "pequeños", "pequeñas"),
}
"""Masculine, feminine, masculine plural, feminine plural."""
_ARTICLES = {
    "indefinite": ("un", "una"),
    "definite": ("el", "la"),
    "complement": ("del", "de la"),
}


def _phrase(thing: Thing, *, form: Form) -> str:
    gender, one, several = _NOUNS[thing.shape]
    feminine = gender == "f"
    if thing.count > 1:
        return f"{_NUMBERS[thing.count]} {several} {_ADJECTIVES[thing.colour][2 + feminine]}"
    colour, size = (_ADJECTIVES[value][feminine] for value in (thing.colour, thing.size))
    return f"{_ARTICLES[form][feminine]} {one} {colour} {size}"


def _predicate(value: str, *, shape: str) -> str:
    return _ADJECTIVES[value][_NOUNS[shape][0] == "f"]


LANGUAGE = Language(
    code="es",
    scripts=("LATIN",),
    exists=("hay {thing}", "hay {thing}"),
    attribute="{thing} es {predicate}",
    side="{thing} está {side}",
    relation="{thing} está {relation} {other}",
    sides={"left": "a la izquierda", "right": "a la derecha", "top": "arriba", "bottom": "abajo"},
    relations={"left_of": "a la izquierda", "right_of": "a la derecha", "above": "encima", "below": "debajo"},
    phrase=_phrase,
    predicate=_predicate,
)
