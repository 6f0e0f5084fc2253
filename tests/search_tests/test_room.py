"""Where Ray finds room for its sockets."""

from __future__ import annotations

import pytest

from search.ray_environment import SHORT_FOLDER, temporary_folder
from trainables.errors import InputError


@pytest.mark.parametrize(
    "variables", [{}, {"TMPDIR": "/scratch/job.17"}, {"TMPDIR": "/" + 90 * "d", "RAY_TMPDIR": "/r"}]
)
def test_ray_keeps_its_session_where_it_would(variables: dict[str, str]) -> None:
    assert temporary_folder(variables) is None


def test_ray_keeps_its_session_elsewhere_where_its_sockets_would_not_fit() -> None:
    assert temporary_folder({"TMPDIR": "/scratch/pbs.4711.scheduler.cluster.university.example"}) == SHORT_FOLDER


def test_a_folder_for_ray_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="at most 39 bytes, or unset it"):
        temporary_folder({"RAY_TMPDIR": "/scratch/pbs.4711.scheduler.cluster.university.example"})
