"""Tasks that installed packages offer, by entry points in the group `xstilts.tasks`.

Names are read from the packages' metadata; nothing is imported until a task is asked for.
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
    """Return a task that an installed package offers, importing it.

    Args:
        name: One of `offered_names`.

    Raises:
        TaskDataError: Its package cannot be imported, fails, or gives no task of that name.
    """
    point = _offered()[name]
    try:
        found = point.load()
        spec = found() if callable(found) else found
    except Exception as error:  # a package of someone else may fail in any way
        raise _broken(point, f"it raised {type(error).__name__}: {error}") from error
    if not isinstance(spec, TaskSpec):
        raise _broken(point, f"it gave a {type(spec).__name__}, and a TaskSpec or a function returning one is needed")
    if spec.name != name:
        raise _broken(point, f"its task is called {spec.name!r}, and the entry point's name must be the task's")
    try:
        check_task(spec)
    except ConfigError as error:
        raise _broken(point, str(error)) from None
    return spec


@cache
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _broken(point: EntryPoint, problem: str) -> TaskDataError:
    package = point.dist.name if point.dist else "an unknown package"
    return TaskDataError(
        f"cannot load task {point.name!r} of package {package!r} (entry point {point.value!r}): {problem}; "
        f"correct, update or uninstall {package}"
    )
