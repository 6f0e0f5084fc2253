"""A picture shows what its scene holds."""

import pytest

from trainables.miniature.draws import seeded
from trainables.miniature.images import BACKGROUND, IMAGE_PIXELS, PALETTE, render
from trainables.miniature.scenes import QUARTERS, Visible
from trainables.miniature.world import COLOURS, SHAPES, SIZES, Thing


def pixels_of(thing: Thing, quarter: tuple[str, str]) -> list[tuple[int, int]]:
    """Where the picture of this one thing has the thing's colour; every other pixel must be background."""
    image = render((Visible(thing, quarter),), rng=seeded("test 0"))
    assert image.size == (IMAGE_PIXELS, IMAGE_PIXELS)
    places = [(x, y) for x in range(IMAGE_PIXELS) for y in range(IMAGE_PIXELS)]
    assert {image.getpixel(place) for place in places} == {BACKGROUND, PALETTE[thing.colour]}
    return [place for place in places if image.getpixel(place) == PALETTE[thing.colour]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("colour", COLOURS)
def test_a_picture_has_the_colour_of_its_object(shape: str, colour: str) -> None:
    assert len(pixels_of(Thing(shape, size="big", colour=colour), ("left", "top"))) > 60


@pytest.mark.parametrize("quarter", QUARTERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_an_object_stays_in_its_quarter(shape: str, quarter: tuple[str, str], size: str) -> None:
    half = IMAGE_PIXELS // 2
    places = pixels_of(Thing(shape, size=size, colour="blue"), quarter)
    assert {"right" if x >= half else "left" for x, _ in places} == {quarter[0]}
    assert {"bottom" if y >= half else "top" for _, y in places} == {quarter[1]}


@pytest.mark.parametrize("shape", SHAPES)
def test_big_objects_are_bigger_and_groups_hold_more(shape: str) -> None:
    place = ("left", "top")
    sizes = [len(pixels_of(Thing(shape, size=size, colour="red"), place)) for size in ("small", "big")]
    groups = [len(pixels_of(Thing(shape, count, colour="red"), place)) for count in (2, 3, 4)]
    assert sizes[1] > 2 * sizes[0]
    assert groups == [groups[0], groups[0] * 3 // 2, groups[0] * 2]
