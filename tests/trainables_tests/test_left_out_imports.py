"""Packages that an import finds not installed, although they are."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

from trainables.left_out_imports import leaving_out

USES_PART = """
try:
    import xstilts_part
except ImportError:
    xstilts_part = None
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs a package, and one that uses it where it is installed."""
    (tmp_path / "xstilts_part.py").write_text("")
    (tmp_path / "xstilts_whole.py").write_text(USES_PART)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("xstilts_part", "xstilts_whole"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("packages")
def test_a_library_does_not_find_what_is_left_out_and_others_still_import_it() -> None:
    with leaving_out("xstilts_part"):
        found = importlib.util.find_spec("xstilts_part")
        whole = importlib.import_module("xstilts_whole")

    assert (found, whole.xstilts_part) == (None, None)
    assert importlib.import_module("xstilts_part").__name__ == "xstilts_part"


@pytest.mark.usefixtures("packages")
def test_what_is_imported_already_stays() -> None:
    part = importlib.import_module("xstilts_part")

    with leaving_out("xstilts_part"):
        whole = importlib.import_module("xstilts_whole")

    assert whole.xstilts_part is part
    assert sys.modules["xstilts_part"] is part


@pytest.mark.usefixtures("packages")
def test_a_failed_import_leaves_nothing_behind() -> None:
    with pytest.raises(ModuleNotFoundError), leaving_out("xstilts_part"):
        importlib.import_module("xstilts_part")

    assert "xstilts_part" not in sys.modules
