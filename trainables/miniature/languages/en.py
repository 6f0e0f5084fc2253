"""English."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {2: "two", 3: "three", 4: "four"}
_PLURALS = {
    "circle": "circles",
    "square": "squares",
    "triangle": "triangles",
    "star": "stars",
    "heart": "hearts",
    "cross": "crosses",
}


def _phrase(thing: Thing, *, form: Form) -> str:
    if thing.count > 1:
        return f"{_NUMBERS[thing.count]} {thing.colour} {_PLURALS[thing.shape]}"
    article = "a" if form == "indefinite" else "the"
    return f"{article} {thing.size} {thing.colour} {thing.shape}"


def _predicate(value: str, *, shape: str) -> str:
    del shape
    return value


LANGUAGE = Language(
    code="en",
    scripts=("LATIN",),
    exists=("there is {thing}", "there are {thing}"),
    attribute="{thing} is {predicate}",
    side="{thing} is {side}",
    relation="{thing} is {relation} {other}",
    sides={"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"},
    relations={"left_of": "to the left of", "right_of": "to the right of", "above": "above", "below": "below"},
    phrase=_phrase,
    predicate=_predicate,
)
