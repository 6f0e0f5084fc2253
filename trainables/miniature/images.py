"""Draws a scene: 48 x 48 pixels, a quarter for each thing, plain colours without anti-aliasing."""

import math
from random import Random

from PIL import Image, ImageDraw

from trainables.miniature.scenes import Scene, Visible

IMAGE_PIXELS = 48
"""Width and height of a picture."""
PALETTE = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 70, 220),
    "yellow": (240, 215, 40),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
"""Colour of every pixel of an object."""
BACKGROUND = (150, 150, 150)
"""Grey, so that black and white objects both stand out."""
_QUARTER_PIXELS = IMAGE_PIXELS // 2
_DIAMETERS = {"big": 20, "small": 11, "": 9}
_JITTER_PIXELS = 1
_Point = tuple[float, float]


def _star(x: float, y: float, *, radius: float) -> list[_Point]:
    points: list[_Point] = []
    for corner in range(10):
        reach = radius if corner % 2 == 0 else radius * 0.42
        angle = math.pi * (corner / 5 - 0.5)
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return points


def _heart(x: float, y: float, *, radius: float) -> list[_Point]:
    points: list[_Point] = []
    for step in range(24):
        angle = 2 * math.pi * step / 24
        across = math.sin(angle) ** 3
        up = (13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)) / 16
        points.append((x + radius * across, y - radius * up))
    return points


def _draw_shape(draw: ImageDraw.ImageDraw, shape: str, *, centre: _Point, radius: float, colour: str) -> None:
    (x, y), fill = centre, PALETTE[colour]
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        draw.ellipse(box, fill=fill)
    elif shape == "square":
        draw.rectangle((x - radius * 0.85, y - radius * 0.85, x + radius * 0.85, y + radius * 0.85), fill=fill)
    elif shape == "triangle":
        draw.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill=fill)
    elif shape == "cross":
        arm = radius * 0.3
        draw.rectangle((x - arm, y - radius, x + arm, y + radius), fill=fill)
        draw.rectangle((x - radius, y - arm, x + radius, y + arm), fill=fill)
    else:
        outline = _star if shape == "star" else _heart
        draw.polygon(outline(x, y, radius=radius), fill=fill)


def _centres(visible: Visible, *, rng: Random) -> list[_Point]:
    column, row = visible.quarter
    half = _QUARTER_PIXELS / 2 - 0.5
    x = half + _QUARTER_PIXELS * (column == "right") + rng.randint(-_JITTER_PIXELS, _JITTER_PIXELS)
    y = half + _QUARTER_PIXELS * (row == "bottom") + rng.randint(-_JITTER_PIXELS, _JITTER_PIXELS)
    if visible.thing.count == 1:
        return [(x, y)]
    step = _QUARTER_PIXELS / 4 - 0.5
    corners = [(x + across * step, y + down * step) for down in (-1, 1) for across in (-1, 1)]
    return rng.sample(corners, visible.thing.count)


def render(scene: Scene, *, rng: Random) -> Image.Image:
    """Return the picture of a scene; `rng` moves the things by a pixel and positions the members of a group."""
    image = Image.new("RGB", (IMAGE_PIXELS, IMAGE_PIXELS), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for visible in scene:
        radius = (_DIAMETERS[visible.thing.size] - 1) / 2
        for centre in _centres(visible, rng=rng):
            _draw_shape(draw, visible.thing.shape, centre=centre, radius=radius, colour=visible.thing.colour)
    return image
