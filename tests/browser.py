"""A headless Chromium for tests: the system's own, installed where it is missing.

`apt-get install chromium` runs only where there is none, this process is root, and the system is Debian's. Elsewhere
playwright fetches its own; where that fails too, the tests that need it fail and say why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_INSTALL_SECONDS = 300.0


def chromium_path() -> str | None:
    """Return the path of a Chromium, or None for the one that playwright has fetched."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    apt = shutil.which("apt-get")
    if found is None and apt is not None and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run([apt, *words], env=environment, capture_output=True, timeout=_INSTALL_SECONDS, check=False)
        found = shutil.which("chromium")
    if found is None:
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
        assert ended.returncode == 0, f"no Chromium: install it by apt-get or `playwright install`; {ended.stderr}"
    return found
