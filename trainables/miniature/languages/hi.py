"""Hindi: every noun here is masculine; adjectives and nouns in -ā take -e in the plural and before a postposition."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {2: "दो", 3: "तीन", 4: "चार"}
_NOUNS = {
    "circle": ("वृत्त", "वृत्त"),
    "square": ("वर्ग", "वर्ग"),
    "triangle": ("त्रिभुज", "त्रिभुज"),
    "star": ("तारा", "तारे"),
    "heart": ("दिल", "दिल"),
    "cross": ("क्रॉस", "क्रॉस"),
}
_ADJECTIVES = {
    "": ("", ""),
    "red": ("लाल", "लाल"),
    "green": ("हरा", "हरे"),
    "blue": ("नीला", "नीले"),
    "yellow": ("पीला", "पीले"),
    "black": ("काला", "काले"),
    "white": ("सफ़ेद", "सफ़ेद"),
    "big": ("बड़ा", "बड़े"),
    "small": ("छोटा", "छोटे"),
}
"""Direct singular; oblique singular, which is also the direct plural."""


def _phrase(thing: Thing, *, form: Form) -> str:
    changed = thing.count > 1 or form == "complement"
    words = f"{_ADJECTIVES[thing.size][changed]} {_ADJECTIVES[thing.colour][changed]} {_NOUNS[thing.shape][changed]}"
    if form == "indefinite":
        return f"{_NUMBERS.get(thing.count, 'एक')} {words}"
    return words


def _predicate(value: str, *, shape: str) -> str:
    del shape
    return _ADJECTIVES[value][0]


LANGUAGE = Language(
    code="hi",
    scripts=("DEVANAGARI",),
    exists=("यहाँ {thing} है", "यहाँ {thing} हैं"),
    attribute="{thing} {predicate} है",
    side="{thing} {side} है",
    relation="{thing} {other} के {relation} है",
    sides={"left": "बाईं ओर", "right": "दाईं ओर", "top": "ऊपर", "bottom": "नीचे"},
    relations={"left_of": "बाईं ओर", "right_of": "दाईं ओर", "above": "ऊपर", "below": "नीचे"},
    phrase=_phrase,
    predicate=_predicate,
    stop="।",
)
