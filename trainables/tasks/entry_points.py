"""Tasks that installed packages offer, by entry points in the group `xstilts.tasks`.

Names are read from the packages' metadata; nothing is imported until a task is requested.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from trainables.errors import ConfigError, TaskDataError
from trainables.tasks.rules import check_task
from trainables.tasks.spec import TaskSpec

GROUP = "xstilts.tasks"
"""Group of the entry points."""


def offered_names() -> tuple[str, ...]:
    """Return the names of the tasks that installed packages offer, in alphabetical order."""
    return tuple(sorted(_offered()))


def offered_task(name: str) -> TaskSpec:
    """Import and return a task that an installed package offers.

    Args:
        name: One of `offered_names`.

    Raises:
        TaskDataError: The package cannot be imported, fails, or does not return a valid task with this name.
    """
    point = _offered()[name]
    try:
        found = point.load()
        spec = found() if callable(found) else found
    except Exception as error:  # code of another package can raise anything
        raise _load_error(point, f"it raised {type(error).__name__}: {error}") from error
    if not isinstance(spec, TaskSpec):
        found = type(spec).__name__
        raise _load_error(point, f"it gives a {found}, but must give a TaskSpec or a function that returns one")
    if spec.name != name:
        raise _load_error(point, f"its task has the name {spec.name!r}; entry point and task must have the same name")
    try:
        check_task(spec)
    except ConfigError as error:
        raise _load_error(point, str(error)) from None
    return spec


@cache
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load_error(point: EntryPoint, problem: str) -> TaskDataError:
    package = point.dist.name if point.dist else "an unknown package"
    return TaskDataError(
        f"cannot load task {point.name!r} of package {package!r} (entry point {point.value!r}): {problem}; "
        f"correct, update or uninstall {package}"
    )
