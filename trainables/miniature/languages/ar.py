"""Arabic: adjectives follow and agree in gender, number and definiteness; a dual; three and four oppose the gender."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NOUNS = {
    "circle": ("f", "دائرة", "دائرتان", "دوائر"),
    "square": ("m", "مربع", "مربعان", "مربعات"),
    "triangle": ("m", "مثلث", "مثلثان", "مثلثات"),
    "star": ("f", "نجمة", "نجمتان", "نجوم"),
    "heart": ("m", "قلب", "قلبان", "قلوب"),
    "cross": ("m", "صليب", "صليبان", "صلبان"),
}
"""Gender, singular, dual, plural."""
_ADJECTIVES = {
    "red": ("أحمر", "حمراء", "أحمران", "حمراوان"),
    "green": ("أخضر", "خضراء", "أخضران", "خضراوان"),
    "blue": ("أزرق", "زرقاء", "أزرقان", "زرقاوان"),
    "yellow": ("أصفر", "صفراء", "أصفران", "صفراوان"),
    "black": ("أسود", "سوداء", "أسودان", "سوداوان"),
    "white": ("أبيض", "بيضاء", "أبيضان", "بيضاوان"),
    "big": ("كبير", "كبيرة", "كبيران", "كبيرتان"),
    "small": ("صغير", "صغيرة", "صغيران", "صغيرتان"),
}
"""Masculine, feminine (also of every plural of things), masculine dual, feminine dual."""
_NUMBERS = {3: {"m": "ثلاثة", "f": "ثلاث"}, 4: {"m": "أربعة", "f": "أربع"}}


def _group(thing: Thing) -> str:
    gender, _, dual, plural = _NOUNS[thing.shape]
    if thing.count == 2:  # noqa: PLR2004 - the dual has its own form and no numeral
        colour = _ADJECTIVES[thing.colour][2 + (gender == "f")] if thing.colour else ""
        return f"{dual} {colour}"
    colour = _ADJECTIVES[thing.colour][1] if thing.colour else ""
    return f"{_NUMBERS[thing.count][gender]} {plural} {colour}"


def _phrase(thing: Thing, *, form: Form) -> str:
    if thing.count > 1:
        return _group(thing)
    gender, one = _NOUNS[thing.shape][:2]
    adjectives = [_ADJECTIVES[value][gender == "f"] for value in (thing.colour, thing.size) if value]
    article = "" if form == "indefinite" else "ال"
    return " ".join(article + word for word in (one, *adjectives))


def _predicate(value: str, *, shape: str) -> str:
    return _ADJECTIVES[value][_NOUNS[shape][0] == "f"]


LANGUAGE = Language(
    code="ar",
    scripts=("ARABIC",),
    exists=("هناك {thing}", "هناك {thing}"),
    attribute="{thing} {predicate}",
    side="{thing} {side}",
    relation="{thing} {relation} {other}",
    sides={"left": "على اليسار", "right": "على اليمين", "top": "في الأعلى", "bottom": "في الأسفل"},
    relations={"left_of": "على يسار", "right_of": "على يمين", "above": "فوق", "below": "تحت"},
    phrase=_phrase,
    predicate=_predicate,
)
