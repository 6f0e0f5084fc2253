"""Ranks keep the memory that a step has freed: the next step does not pay for it again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from trainables.ranks.local_group import rank_environment

_SIZE = 16 << 20
"""Numbers of 4 bytes: 64 MiB, more than the largest block that glibc would keep by itself."""

_PAGES = _SIZE * 4 // os.sysconf("SC_PAGE_SIZE")

_TEN_BLOCKS = f"""
import resource
import torch

def num_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

torch.zeros({_SIZE})
before = num_faults()
for _ in range(10):
    torch.zeros({_SIZE})
print(num_faults() - before)
"""


def _page_faults(variables: dict[str, str]) -> int:
    """Return the page faults of ten blocks, of which each is freed before the next is taken."""
    done = subprocess.run(
        [sys.executable, "-c", _TEN_BLOCKS], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_blocks_that_are_freed_are_used_again() -> None:
    assert _page_faults({}) >= 9 * _PAGES
    assert _page_faults(rank_environment(1)) < _PAGES


def test_what_the_user_has_set_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_max=7:glibc.malloc.perturb=1")

    settings = rank_environment(1)["GLIBC_TUNABLES"].split(":")

    assert settings[:2] == ["glibc.malloc.mmap_max=7", "glibc.malloc.perturb=1"]
    assert {one.partition("=")[0] for one in settings[2:]} == {
        "glibc.malloc.trim_threshold",
        "glibc.malloc.tcache_count",
    }
