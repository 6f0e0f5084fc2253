# ruff: noqa: RUF001 - letters of this language look like others
"""Greek: three genders; the accusative after "από"; the final nu of "την" before vowels and stops."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NOUNS = {
    "circle": ("m", "κύκλος", "κύκλο", "κύκλοι"),
    "square": ("n", "τετράγωνο", "τετράγωνο", "τετράγωνα"),
    "triangle": ("n", "τρίγωνο", "τρίγωνο", "τρίγωνα"),
    "star": ("n", "αστέρι", "αστέρι", "αστέρια"),
    "heart": ("f", "καρδιά", "καρδιά", "καρδιές"),
    "cross": ("m", "σταυρός", "σταυρό", "σταυροί"),
}
"""Gender, nominative, accusative, nominative plural."""
_NUMBERS = {
    2: {"m": "δύο", "f": "δύο", "n": "δύο"},
    3: {"m": "τρεις", "f": "τρεις", "n": "τρία"},
    4: {"m": "τέσσερις", "f": "τέσσερις", "n": "τέσσερα"},
}
_STEMS = {
    "red": "κόκκιν",
    "green": "πράσιν",
    "yellow": "κίτριν",
    "black": "μαύρ",
    "white": "άσπρ",
    "big": "μεγάλ",
    "small": "μικρ",
}
_ENDINGS = {"m": "ος", "f": "η", "n": "ο", "am": "ο", "af": "η", "an": "ο", "pm": "οι", "pf": "ες", "pn": "α"}
_ACCENTED_ENDINGS = {"m": "ός", "f": "ή", "n": "ό", "am": "ό", "af": "ή", "an": "ό"}
"""By gender: nominative, accusative (a), nominative plural (p)."""
_ARTICLES = {
    ("indefinite", "m"): "ένας",
    ("indefinite", "f"): "μια",
    ("indefinite", "n"): "ένα",
    ("definite", "m"): "ο",
    ("definite", "f"): "η",
    ("definite", "n"): "το",
    ("complement", "m"): "τον",
    ("complement", "f"): "τη",
    ("complement", "n"): "το",
}
_KEEPS_NU = ("κ", "π", "τ", "μπ", "ά", "α")


def _adjective(value: str, *, form: str) -> str:
    if value in ("", "blue"):
        return "μπλε" if value else ""
    return _STEMS[value] + (_ACCENTED_ENDINGS if value == "small" else _ENDINGS)[form]


def _phrase(thing: Thing, *, form: Form) -> str:
    gender, nominative, accusative, plural = _NOUNS[thing.shape]
    if thing.count > 1:
        return f"{_NUMBERS[thing.count][gender]} {_adjective(thing.colour, form='p' + gender)} {plural}"
    case = "a" + gender if form == "complement" else gender
    noun = accusative if form == "complement" else nominative
    words = f"{_adjective(thing.size, form=case)} {_adjective(thing.colour, form=case)} {noun}".strip()
    article = _ARTICLES[form, gender]
    nu = "ν" if article == "τη" and words.startswith(_KEEPS_NU) else ""
    return f"{article}{nu} {words}"


def _predicate(value: str, *, shape: str) -> str:
    return _adjective(value, form=_NOUNS[shape][0])


LANGUAGE = Language(
    code="el",
    scripts=("GREEK",),
    exists=("υπάρχει {thing}", "υπάρχουν {thing}"),
    attribute="{thing} είναι {predicate}",
    side="{thing} είναι {side}",
    relation="{thing} είναι {relation} {other}",
    sides={"left": "αριστερά", "right": "δεξιά", "top": "επάνω", "bottom": "κάτω"},
    relations={"left_of": "αριστερά από", "right_of": "δεξιά από", "above": "πάνω από", "below": "κάτω από"},
    phrase=_phrase,
    predicate=_predicate,
)
