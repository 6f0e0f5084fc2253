"""The stage tree as bars: what each phase cost, and what was saved because trials found it made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from search.record import StageRow
from search.report.drawing import WIDTH, Canvas, Plot, Scale

MOST_SHOWN = 12
"""Stages that are drawn by themselves, the most shared first."""

_LEFT, _ROW = 240, 26


def plot_stages(stages: Sequence[StageRow], *, families: dict[int, str]) -> Plot | None:
    """Return the shared training stages with what they cost and saved; None where no trial found one.

    Args:
        stages: Lineages of all trials.
        families: Number of a trial -> its family.
    """
    users: dict[str, set[int]] = defaultdict(set)
    made: dict[str, StageRow] = {}
    for stage in stages:
        users[stage.key].add(stage.trial)
        if not stage.reused or stage.key not in made:
            made[stage.key] = stage
    saved = {key: (len(users[key]) - 1) * (one.seconds + one.seconds_before) for key, one in made.items()}
    shared = sorted((key for key, value in saved.items() if value > 0), key=lambda key: -saved[key])
    if not shared:
        return None
    paid = sum(stage.seconds for stage in made.values())
    title = "Stage tree"
    caption = (
        f"Stages that several trials share: dark is the time that making one took, light what the others saved. All "
        f"{len(made)} stages took {paid:.0f} s; sharing saved {sum(saved.values()):.0f} s."
    )
    canvas = _draw(shared[:MOST_SHOWN], made=made, saved=saved, users=users, families=families)
    return Plot(
        name="stages",
        title=title,
        caption=caption,
        svg=canvas.svg(title=title, description=caption),
        headings=("stage", "phase", "family of its maker", "steps", "seconds", "trials", "seconds saved"),
        rows=tuple(
            (
                key[:12],
                made[key].phase,
                families.get(made[key].trial, "-"),
                str(made[key].steps + made[key].steps_before),
                f"{made[key].seconds + made[key].seconds_before:.1f}",
                str(len(users[key])),
                f"{saved[key]:.1f}",
            )
            for key in shared
        ),
    )


def _draw(
    keys: Sequence[str],
    *,
    made: dict[str, StageRow],
    saved: dict[str, float],
    users: dict[str, set[int]],
    families: dict[int, str],
) -> Canvas:
    bottom = 14.0 + _ROW * len(keys)
    canvas = Canvas(height=bottom + 46)
    took = {key: made[key].seconds + made[key].seconds_before for key in keys}
    most = max(took[key] + saved[key] for key in keys)
    scale = Scale(low=0.0, high=most, start=_LEFT, end=WIDTH - 24)
    canvas.axis_x(scale, y=bottom, top=8, title="seconds")
    for place, key in enumerate(keys):
        y = 10.0 + _ROW * place
        family = families.get(made[key].trial, "")
        canvas.text(4, y + 15, f"{made[key].phase} {key[:6]} ({family}), {len(users[key])} trials")
        canvas.box(_LEFT, y + 2, size=(scale(took[key]) - _LEFT, _ROW - 8), kind="bar")
        canvas.box(
            scale(took[key]), y + 2, size=(scale(took[key] + saved[key]) - scale(took[key]), _ROW - 8), kind="saved"
        )
    return canvas
