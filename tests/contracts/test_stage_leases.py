"""What every stage store promises of leases and checkpoints, on a disk and in a bucket alike."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.stores import KEY, MODEL, Clock, Place, checkpoint, damage
from tests.trainables_tests.stage_maker import FACTS, make
from trainables.errors import LeaseLostError


def test_a_stage_cannot_be_committed_without_its_lease(place: Place) -> None:
    store = place.open()

    with store.work_folder(KEY) as folder, pytest.raises(LeaseLostError, match="ab0000000000"):
        store.commit(KEY, folder=folder, facts=FACTS)

    assert store.find(KEY) is None


def test_a_held_lease_is_refused_and_says_who_has_it(place: Place) -> None:
    store, other = place.open(), place.open()

    with store.lease(KEY):
        assert other.try_lease(KEY) is None
        holder = other.holder(KEY)
        assert holder is not None
        assert (holder.held, holder.pid > 0, bool(holder.host)) == (True, True, True)

    assert other.holder(KEY) is None
    taken = other.try_lease(KEY)
    assert taken is not None
    taken.release()


@pytest.mark.usefixtures("without_locks")
def test_a_holder_whose_heart_beats_keeps_its_lease_however_long_it_takes(place: Place, clock: Clock) -> None:
    store, other = place.open(), place.open()
    with store.lease(KEY) as lease:
        for _ in range(5):
            assert other.try_lease(KEY) is None
            lease._beat()
            clock.seconds += 1000
        assert other.try_lease(KEY) is None
        assert lease.is_held()


@pytest.mark.usefixtures("without_locks")
def test_a_silent_holder_loses_its_lease_after_the_expiry_and_may_not_commit(place: Place, clock: Clock) -> None:
    silent, other = place.open(), place.open()
    with silent.lease(KEY) as lost, silent.work_folder(KEY) as folder:
        (folder / MODEL).write_text("of the silent one")
        assert other.try_lease(KEY) is None
        clock.seconds += 59
        assert other.try_lease(KEY) is None
        clock.seconds += 2

        with other.lease(KEY):
            assert not lost.is_held()
            with pytest.raises(LeaseLostError):
                silent.commit(KEY, folder=folder, facts=FACTS)
            with pytest.raises(LeaseLostError):
                checkpoint(silent, step=1)
            assert list(other.keys()) == []
        made = make(other, KEY)

        assert silent.commit(KEY, folder=folder, facts=FACTS).digest == made.digest


@pytest.mark.usefixtures("without_locks")
def test_the_clocks_of_two_hosts_are_never_compared(place: Place, clock: Clock) -> None:
    store, other = place.open(), place.open()
    with store.lease(KEY):
        clock.seconds += 10**9  # the other host's clock differs by 30 years

        assert other.try_lease(KEY) is None


def test_of_many_that_take_a_free_lease_one_gets_it(place: Place) -> None:
    taken = [lease for lease in (place.open().try_lease(KEY) for _ in range(4)) if lease]

    assert len(taken) == 1
    taken[0].release()


def maker(place: Place, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.trainables_tests.stage_maker", place.url, KEY, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_a_process_killed_in_a_stage_leaves_its_checkpoint_to_the_next_at_once(place: Place, tmp_path: Path) -> None:
    killed = maker(place, str(tmp_path / "made"), "hold")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "held\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    store = place.open()
    assert store.find(KEY) is None
    lease = store.try_lease(KEY)
    assert lease is not None

    with lease, store.work_folder(KEY) as folder:
        found = store.newest_checkpoint(KEY)
        assert found is not None
        (folder / MODEL).write_text((found.folder / "state").read_text())
        store.commit(KEY, folder=folder, facts=FACTS)

    stage = store.find(KEY)
    assert stage is not None
    assert (stage.folder / MODEL).read_text() == "after step 7"
    assert place.names("checkpoints") == []


def test_processes_that_want_one_stage_make_it_once(place: Place, tmp_path: Path) -> None:
    makers = [maker(place, str(tmp_path / "made")) for _ in range(2)]

    assert [one.wait() for one in makers] == [0, 0]
    assert (tmp_path / "made").read_text() == "made\n"


def test_the_newest_checkpoint_is_found_and_two_are_kept(place: Place) -> None:
    store = place.open()
    with store.lease(KEY):
        for step in (5, 10, 15):
            checkpoint(store, step)

        found = place.open().newest_checkpoint(KEY)

        assert found is not None
        assert (found.step, (found.folder / "state.safetensors").read_text()) == (15, "state 15")
        assert len({name.split("/")[2] for name in place.names("checkpoints")}) == 2


@pytest.mark.parametrize("name", ["state.safetensors", "manifest.json"])
def test_a_damaged_checkpoint_gives_way_to_the_older_one(
    name: str, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    store = place.open()
    with store.lease(KEY):
        checkpoint(store, 5)
        checkpoint(store, 10)
        (newest,) = {one.split("/")[2] for one in place.names("checkpoints") if "/0000000010" in one}
        damage(place, f"checkpoints/{newest}/{name}", lambda content: content[:-3])

        with caplog.at_level(logging.WARNING):
            found = place.open().newest_checkpoint(KEY)

    assert found is not None
    assert found.step == 5
    assert "is damaged" in caplog.text


def test_a_rank_with_its_trials_token_may_store_a_checkpoint_and_no_other(place: Place, tmp_path: Path) -> None:
    store, rank = place.open(), place.open()
    (tmp_path / "state").mkdir()
    (tmp_path / "state/state").write_text("state")
    with store.lease(KEY) as lease:
        with pytest.raises(LeaseLostError):
            rank.put_checkpoint(KEY, step=1, folder=tmp_path / "state")
        rank.put_checkpoint(KEY, step=1, folder=tmp_path / "state", token=lease.token)

        assert store.newest_checkpoint(KEY) is not None


def test_there_is_no_checkpoint_before_the_first_and_after_the_commit(place: Place) -> None:
    store = place.open()
    assert store.newest_checkpoint(KEY) is None
    with store.lease(KEY):
        checkpoint(store, 5)
    make(store, KEY)

    assert store.newest_checkpoint(KEY) is None
    assert place.names("checkpoints") == []
