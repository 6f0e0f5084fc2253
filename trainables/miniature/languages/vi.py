"""Vietnamese: no inflection; size, then colour, after the noun."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {1: "một", 2: "hai", 3: "ba", 4: "bốn"}
_NOUNS = {
    "circle": "hình tròn",
    "square": "hình vuông",
    "triangle": "hình tam giác",
    "star": "ngôi sao",
    "heart": "trái tim",
    "cross": "hình chữ thập",
}
_COLOURS = {
    "": "",
    "red": "màu đỏ",
    "green": "màu xanh lá",
    "blue": "màu xanh dương",
    "yellow": "màu vàng",
    "black": "màu đen",
    "white": "màu trắng",
}
_SIZES = {"": "", "big": "lớn", "small": "nhỏ"}


def _phrase(thing: Thing, *, form: Form) -> str:
    number = _NUMBERS[thing.count] if form == "indefinite" else ""
    return f"{number} {_NOUNS[thing.shape]} {_SIZES[thing.size]} {_COLOURS[thing.colour]}"


def _predicate(value: str, *, shape: str) -> str:
    del shape
    return _COLOURS[value] if value in _COLOURS else f"kích thước {_SIZES[value]}"


LANGUAGE = Language(
    code="vi",
    scripts=("LATIN",),
    exists=("có {thing}", "có {thing}"),
    attribute="{thing} có {predicate}",
    side="{thing} ở {side}",
    relation="{thing} ở {relation} {other}",
    sides={"left": "bên trái", "right": "bên phải", "top": "phía trên", "bottom": "phía dưới"},
    relations={
        "left_of": "bên trái của",
        "right_of": "bên phải của",
        "above": "phía trên của",
        "below": "phía dưới của",
    },
    phrase=_phrase,
    predicate=_predicate,
)
