"""How many trials find room in a cluster, and where Ray finds room for its sockets."""

from __future__ import annotations

import pytest

from search.driver.tuning import ranks_that_fit
from search.ray_surroundings import SHORT_FOLDER, temporary_folder
from trainables.config import EngineConfig
from trainables.errors import InputError


def test_a_rank_stays_within_a_host() -> None:
    engine = EngineConfig(threads_per_rank=2, device="cpu")

    assert ranks_that_fit([{"CPU": 3.0}, {"CPU": 3.0}, {"memory": 9.0}], engine=engine) == 2


def test_on_cuda_each_rank_takes_a_gpu_too() -> None:
    engine = EngineConfig(threads_per_rank=2, device="cuda")

    assert ranks_that_fit([{"CPU": 64.0}, {"CPU": 8.0, "GPU": 8.0}, {"CPU": 64.0, "GPU": 1.0}], engine=engine) == 5


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
