"""The labels are what every possible world says.

The checker here builds every small world and looks the hypothesis up in those that fit the premise. It is independent
of `trainables.miniature.logic`: it knows no facts and no closure, only whether a statement is true in a fully known
world. Attributes and places do not constrain each other, so each of them is enumerated on its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

import pytest

from trainables.miniature.draws import seeded
from trainables.miniature.inference import draw_inference, inferences
from trainables.miniature.logic import CONTRADICTION, ENTAILMENT, NEUTRAL, Knowledge
from trainables.miniature.questions import choices, span_questions
from trainables.miniature.scenes import describe, draw_items
from trainables.miniature.world import COLOURS, SIZES, Statement, Thing, coloured, exists, placed, related, shapes_of

Value = str | int
World = dict[str, Value]
COORDINATES = (-3, -2, -1, 0, 1, 2, 3)
DOMAINS: dict[str, tuple[Value, ...]] = {
    "count": (0, 1, 2, 3, 4),
    "colour": COLOURS,
    "size": SIZES,
    "x": COORDINATES,
    "y": COORDINATES,
}


def _thing_holds(thing: Thing, *, aspect: str, world: World) -> bool:
    asserted: dict[str, Value] = {"count": thing.count, "colour": thing.colour, "size": thing.size}
    value = asserted.get(aspect)
    return not value or world[thing.shape] == value


def _holds(statement: Statement, *, aspect: str, world: World) -> bool:
    things = filter(None, (statement.subject, statement.other))
    if not all(_thing_holds(thing, aspect=aspect, world=world) for thing in things):
        return False
    if statement.kind == aspect:
        return world[statement.subject.shape] == statement.value
    here = world[statement.subject.shape]
    there = 0 if statement.other is None else world[statement.other.shape]
    assert isinstance(here, int) or aspect not in ("x", "y")
    match aspect, statement.value:
        case ("x", "left" | "left_of") | ("y", "top" | "above"):
            return here < there  # type: ignore[operator]
        case ("x", "right" | "right_of") | ("y", "bottom" | "below"):
            return here > there  # type: ignore[operator]
        case _:
            return True


def _worlds(shapes: list[str], *, aspect: str) -> Iterator[World]:
    for values in product(DOMAINS[aspect], repeat=len(shapes)):
        yield dict(zip(shapes, values, strict=True))


def label_by_enumeration(premise: Iterable[Statement], *, hypothesis: Statement) -> int:
    """0 if the hypothesis holds in every world of the premise, 2 if it holds in none, else 1."""
    statements = list(premise)
    shapes = sorted({shape for statement in [*statements, hypothesis] for shape in shapes_of(statement)})
    always, sometimes = True, True
    for aspect in DOMAINS:
        possible = [
            world
            for world in _worlds(shapes, aspect=aspect)
            if all(_holds(statement, aspect=aspect, world=world) for statement in statements)
        ]
        outcomes = {_holds(hypothesis, aspect=aspect, world=world) for world in possible}
        always = always and outcomes == {True}
        sometimes = sometimes and True in outcomes
    return 0 if always else 1 if sometimes else 2


STAR, CIRCLE, HEART = Thing("star"), Thing("circle"), Thing("heart")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_labels_agree_with_every_small_world(split: str) -> None:
    items = inferences(split, num_items=120)
    enumerated = [label_by_enumeration(item.premise, hypothesis=item.hypothesis) for item in items]
    assert enumerated == [item.label for item in items]


def test_labels_of_unrelated_statements_agree_with_every_small_world() -> None:
    rng = seeded("test 5")
    items = [draw_inference(rng) for _ in range(60)]
    others = [draw_inference(rng).hypothesis for _ in items]
    judged = [Knowledge(item.premise).judge(other) for item, other in zip(items, others, strict=True)]
    assert judged == [
        label_by_enumeration(item.premise, hypothesis=other) for item, other in zip(items, others, strict=True)
    ]


@pytest.mark.parametrize(
    ("premise", "hypothesis", "label"),
    [
        ([exists(Thing("star", colour="black"))], coloured(STAR, colour="white"), CONTRADICTION),
        ([exists(Thing("star", 3))], coloured(STAR, colour="red"), CONTRADICTION),
        ([exists(Thing("star", 3, colour="red"))], exists(Thing("star", 3)), ENTAILMENT),
        ([related(STAR, relation="above", other=CIRCLE)], related(CIRCLE, relation="below", other=STAR), ENTAILMENT),
        ([related(STAR, relation="above", other=CIRCLE)], related(STAR, relation="left_of", other=CIRCLE), NEUTRAL),
        ([placed(STAR, side="left"), placed(CIRCLE, side="right")], related(STAR, relation="left_of", other=CIRCLE), 0),
        (
            [related(STAR, relation="left_of", other=CIRCLE), related(CIRCLE, relation="left_of", other=HEART)],
            related(HEART, relation="left_of", other=STAR),
            CONTRADICTION,
        ),
    ],
)
def test_the_rules_of_the_world(premise: list[Statement], hypothesis: Statement, label: int) -> None:
    assert Knowledge(premise).judge(hypothesis) == label
    assert label_by_enumeration(premise, hypothesis=hypothesis) == label


def test_a_premise_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="two values of colour"):
        Knowledge([coloured(STAR, colour="red"), coloured(STAR, colour="blue")])
    with pytest.raises(ValueError, match="in a circle"):
        Knowledge([related(STAR, relation="above", other=HEART), related(STAR, relation="below", other=HEART)])


def test_a_picture_entails_what_every_world_that_shows_it_entails() -> None:
    items = [item for item, _ in zip(draw_items(seeded("test 3")), range(40), strict=False)]
    enumerated = [label_by_enumeration(describe(scene), hypothesis=hypothesis) for scene, hypothesis, _ in items]
    assert enumerated == [label for *_, label in items]


def test_the_labels_are_balanced_and_independent_of_the_hypothesis() -> None:
    items = inferences("train", num_items=3000)
    assert Counter(item.label for item in items) == {ENTAILMENT: 1000, NEUTRAL: 1000, CONTRADICTION: 1000}


def test_a_span_is_where_its_offset_says() -> None:
    items = [item for item, _ in zip(span_questions("train"), range(2000), strict=False)]
    found = [item.context[item.answer_start : item.answer_start + len(item.answer)] for item in items]
    assert found == [item.answer for item in items]


def test_four_different_choices_of_which_one_is_right() -> None:
    items = [item for item, _ in zip(choices("train"), range(500), strict=False)]
    assert {len(set(item.choices)) for item in items} == {4}
    assert set(Counter(item.label for item in items)) == {0, 1, 2, 3}
