"""Thai: no inflection; a number is followed by the noun's classifier, both after the colour. Spaces mark words only."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {1: "หนึ่ง", 2: "สอง", 3: "สาม", 4: "สี่"}
_NOUNS = {
    "circle": ("วงกลม", "วง"),
    "square": ("สี่เหลี่ยมจัตุรัส", "รูป"),
    "triangle": ("สามเหลี่ยม", "รูป"),
    "star": ("ดาว", "ดวง"),
    "heart": ("หัวใจ", "ดวง"),
    "cross": ("กากบาท", "อัน"),
}
"""Noun and classifier."""
_ADJECTIVES = {
    "": "",
    "red": "สี แดง",
    "green": "สี เขียว",
    "blue": "สี น้ำเงิน",
    "yellow": "สี เหลือง",
    "black": "สี ดำ",
    "white": "สี ขาว",
    "big": "ขนาด ใหญ่",
    "small": "ขนาด เล็ก",
}


def _phrase(thing: Thing, *, form: Form) -> str:
    noun, classifier = _NOUNS[thing.shape]
    words = f"{noun} {_ADJECTIVES[thing.colour]} {_ADJECTIVES[thing.size]}"
    if form == "indefinite":
        return f"{words} {_NUMBERS[thing.count]} {classifier}"
    return words


def _predicate(value: str, *, shape: str) -> str:
    del shape
    return _ADJECTIVES[value]


LANGUAGE = Language(
    code="th",
    scripts=("THAI",),
    exists=("มี {thing}", "มี {thing}"),
    attribute="{thing} มี {predicate}",
    side="{thing} อยู่ {side}",
    relation="{thing} อยู่ {relation} {other}",
    sides={"left": "ทาง ซ้าย", "right": "ทาง ขวา", "top": "ด้าน บน", "bottom": "ด้าน ล่าง"},
    relations={
        "left_of": "ทาง ซ้าย ของ",
        "right_of": "ทาง ขวา ของ",
        "above": "ด้าน บน ของ",
        "below": "ด้าน ล่าง ของ",
    },
    phrase=_phrase,
    predicate=_predicate,
    separator="",
    stop=" ",
)
