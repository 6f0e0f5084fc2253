"""Chinese (simplified): a classifier after a number; colour with 的, then size, before the noun."""

from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Thing

_NUMBERS = {1: "一", 2: "两", 3: "三", 4: "四"}
_NOUNS = {
    "circle": ("圆形", "个"),
    "square": ("正方形", "个"),
    "triangle": ("三角形", "个"),
    "star": ("星星", "颗"),
    "heart": ("爱心", "颗"),
    "cross": ("十字", "个"),
}
"""Noun and classifier."""
_COLOURS = {
    "": "",
    "red": "红色 的",
    "green": "绿色 的",
    "blue": "蓝色 的",
    "yellow": "黄色 的",
    "black": "黑色 的",
    "white": "白色 的",
}
_SIZES = {"": "", "big": "大", "small": "小"}


def _phrase(thing: Thing, *, form: Form) -> str:
    noun, classifier = _NOUNS[thing.shape]
    number = f"{_NUMBERS[thing.count]} {classifier}" if form == "indefinite" else ""
    return f"{number} {_COLOURS[thing.colour]} {_SIZES[thing.size]} {noun}"


def _predicate(value: str, *, shape: str) -> str:
    del shape
    return _COLOURS[value] if value in _COLOURS else f"{_SIZES[value]} 的"


LANGUAGE = Language(
    code="zh",
    scripts=("CJK",),
    exists=("有 {thing}", "有 {thing}"),
    attribute="{thing} 是 {predicate}",
    side="{thing} 在 {side}",
    relation="{thing} 在 {other} {relation}",
    sides={"left": "左边", "right": "右边", "top": "上面", "bottom": "下面"},
    relations={"left_of": "左边", "right_of": "右边", "above": "上面", "below": "下面"},
    phrase=_phrase,
    predicate=_predicate,
    separator="",
    stop="。",
)
