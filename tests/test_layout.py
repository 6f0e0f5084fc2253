"""The shape of the source tree: sizes of folders and files, names of modules, and who imports whom.

import-linter checks the layers and the doors of vendors. This module checks what import-linter does not. An import
under `TYPE_CHECKING` counts too: a reader who follows a type needs the other module as well.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search", "spaces", "trainables")
FOLDERS = (*PACKAGES, "benchmarks")

MAX_LOOSE_MODULES = 20
MAX_SAME_NAME = 2
MAX_LINES = 400

PARALLELS = {"__init__", "contract", "errors", "conftest", "sitecustomize"}
"""Names that stand in many folders because they mean the same thing in each."""

Graph = Mapping[str, frozenset[str]]
"""Name -> the names that it imports."""


def modules_in(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def names_of_modules() -> Mapping[str, Path]:
    """Return dotted name -> file, of every module of the packages."""
    names: dict[str, Path] = {}
    for path in modules_in(*PACKAGES):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imported_names(path: Path) -> Iterator[str]:
    """Yield the name of every module that a file imports, wherever in the file it does.

    `from a import b` imports `a.b` where that is a module of the packages, and else `a`.
    """
    names = names_of_modules()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                yield inside if inside in names else node.module


def has_relative_import(path: Path) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(ast.parse(path.read_text())))


def test_no_module_imports_by_a_relative_name() -> None:
    assert [relative(path) for path in modules_in(*FOLDERS) if has_relative_import(path)] == []


def vendors_of(path: Path) -> set[str]:
    """Return the first parts of the names that a module imports."""
    return {name.split(".")[0] for name in imported_names(path)}


@cache
def module_graph() -> Graph:
    """Return module -> the modules of the packages that it imports."""
    names = names_of_modules()
    graph: dict[str, frozenset[str]] = {}
    for name, path in names.items():
        graph[name] = frozenset(target for target in imported_names(path) if target in names and target != name)
    return graph


@cache
def folder_graph() -> Graph:
    """Return folder -> the folders that its modules import; a folder and those inside it are one another's parts."""
    graph: dict[str, set[str]] = defaultdict(set)
    for name, targets in module_graph().items():
        here = folder_of(name)
        graph[here] |= {there for target in targets if not is_inside(here, there := folder_of(target))}
    return {name: frozenset(targets) for name, targets in graph.items()}


def folder_of(module: str) -> str:
    path = names_of_modules()[module]
    return ".".join(path.parent.relative_to(ROOT).parts)


def is_inside(one: str, other: str) -> bool:
    """Return whether one of two folders is the other, or lies in it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def mutual(graph: Graph) -> list[tuple[str, str]]:
    """Return the pairs that import each other."""
    return sorted((one, two) for one, targets in graph.items() for two in targets if one < two and one in graph[two])


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_folder_has_many_loose_modules(folder: str) -> None:
    counts = Counter(relative(path.parent) for path in modules_in(folder) if path.stem != "__init__")
    crowded = {name: count for name, count in counts.items() if count > MAX_LOOSE_MODULES}

    assert crowded == {}, f"at most {MAX_LOOSE_MODULES} modules stand in one folder; sort them into folders by subject"


def test_names_of_modules_are_not_reused() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in modules_in(*FOLDERS):
        if path.stem not in PARALLELS:
            places[path.stem].append(relative(path))
    reused = {name: found for name, found in places.items() if len(found) > MAX_SAME_NAME}

    assert reused == {}, f"at most {MAX_SAME_NAME} modules have the same name; give the others a more precise noun"


def test_no_two_folders_import_each_other() -> None:
    pairs = mutual(folder_graph())

    assert pairs == [], f"these folders import each other; move what both need: {imports_between(pairs)}"


def test_no_two_modules_import_each_other() -> None:
    pairs = mutual(module_graph())

    assert pairs == [], "these modules import each other, perhaps under TYPE_CHECKING; move what both need to a third"


def imports_between(pairs: list[tuple[str, str]]) -> list[str]:
    """Return the imports between folders that import each other, as `module -> module`."""
    folders = {(one, two) for pair in pairs for one, two in (pair, pair[::-1])}
    return [
        f"{name} -> {target}"
        for name, targets in module_graph().items()
        for target in sorted(targets)
        if (folder_of(name), folder_of(target)) in folders
    ]


def test_no_file_is_long() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules_in(*FOLDERS)}
    long = {name: length for name, length in lengths.items() if length > MAX_LINES}

    assert long == {}, f"a file has at most {MAX_LINES} lines; split it by subject"


@pytest.mark.parametrize(
    ("vendor", "folders", "allowed"),
    [("ray", ("spaces", "trainables"), ()), ("sqlalchemy", PACKAGES, ("search/record/", "search/query/"))],
)
def test_vendors_stay_in_their_folders(vendor: str, folders: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    users = [relative(path) for path in modules_in(*folders) if vendor in vendors_of(path)]

    assert [name for name in users if not name.startswith(allowed)] == [], f"{vendor} is imported outside {allowed}"
    assert bool(users) == bool(allowed)  # what this test looks for is there to be found
