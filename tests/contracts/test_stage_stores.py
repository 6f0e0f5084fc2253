"""What every stage store promises, on a disk and in a bucket alike: whole stages or none."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.stores import CHILD, GRANDCHILD, KEY, MODEL, QUICK, Place, child_of, damage, model_of
from tests.trainables_tests.stage_maker import FACTS, make
from trainables.errors import StoreUnusableError
from trainables.stage_store import StageStore, uses
from trainables.stage_store.contents import Contents


def test_another_host_finds_a_committed_stage_with_facts_and_files(place: Place) -> None:
    make(place.open(), KEY)

    found = place.open().find(KEY)

    assert found is not None
    assert found.facts == FACTS
    assert (found.folder / MODEL).read_text() == "weights"
    assert (found.folder / "inner/losses.json").read_text() == "[1.0]"


def test_a_stage_that_was_never_made_is_not_found(place: Place) -> None:
    assert place.open().find(KEY) is None
    assert list(place.open().keys()) == []


def test_keys_names_every_stage(place: Place) -> None:
    make(place.open(), CHILD)
    make(place.open(), KEY)

    assert list(place.open().keys()) == [KEY, CHILD]


def test_committing_a_complete_stage_keeps_it_and_returns_it(place: Place) -> None:
    first = make(place.open(), KEY)

    again = make(place.open(), KEY, text="other weights")

    assert again.digest == first.digest
    assert (again.folder / MODEL).read_text() == "weights"
    assert place.names("damaged") == []


def test_a_child_of_a_parent_made_again_with_other_files_is_not_trusted(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    store = place.open()
    make(store, KEY)
    child_of(store, KEY)
    child_of(store, CHILD, GRANDCHILD)
    damage(place, model_of(place, KEY), lambda _: b"no")
    assert place.open().find(KEY) is None
    assert place.open().find(CHILD) is not None  # its parent is absent; its own checksums agree

    make(place.open(), KEY, text="other weights")

    with caplog.at_level(logging.WARNING):
        assert place.open().find(GRANDCHILD) is None
        assert place.open().find(CHILD) is None
    assert "target stage ab0000000000 in its lineage was since made with other files" in caplog.text


def test_a_child_of_a_parent_made_again_bit_for_bit_is_trusted(place: Place) -> None:
    store = place.open()
    make(store, KEY)
    child_of(store, KEY)
    damage(place, model_of(place, KEY), lambda _: None)
    assert place.open().find(KEY) is None

    make(place.open(), KEY)

    assert place.open().find(CHILD) is not None


def test_only_the_holder_of_its_lease_sets_a_damaged_stage_aside(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    make(place.open(), KEY)
    damage(place, model_of(place, KEY), lambda _: b"broken!")
    store = place.open()

    with store.lease(KEY), caplog.at_level(logging.WARNING):
        assert place.open().find(KEY) is None
        assert place.names("damaged") == []
        assert "the holder of its lease quarantines it" in caplog.text
        assert store.find(KEY) is None
        assert len(place.names("damaged")) == 3


def test_a_manifest_of_a_newer_version_is_refused_and_left_alone(place: Place) -> None:
    make(place.open(), KEY)
    damage(place, "stages/manifest.json", lambda content: content.replace(b'"version": 3', b'"version": 99'))
    damage(place, "stages/manifest.json", lambda content: content.replace(b'"files"', b'"contents"'))

    with pytest.raises(StoreUnusableError, match="version 99"):
        place.open().find(KEY)

    assert len(place.names("stages")) == 3


def cut(content: bytes, at: int) -> bytes:
    return content[: at % len(content)]


def flip(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at % len(content)] ^= 1 + at % 255
    return bytes(changed)


def lose(content: bytes, at: int) -> None:
    del content, at


DAMAGES = st.tuples(
    st.sampled_from([KEY, CHILD]),
    st.sampled_from([MODEL, "manifest.json", "holder"]),
    st.sampled_from([cut, flip, lose]),
    st.integers(0, 10**6),
)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damages=st.lists(DAMAGES, min_size=1, max_size=3))
def test_whatever_is_damaged_is_made_again_and_never_served(damages: list[tuple], place: Place) -> None:
    storage, texts = place.storage, {KEY: "weights", CHILD: "made from ab"}
    make(place.open(), KEY)
    child_of(place.open(), KEY)
    for key, file, change, at in damages:
        below = f"holders/{key}" if file == "holder" else f"stages/{key[:2]}/{key}"
        for name in place.names(below):
            if content := storage.read(name) if file == "holder" or name.endswith(file) else None:
                changed = change(content, at)
                storage.remove(name) if changed is None else storage.write(name, changed)

    for key, text in texts.items():
        found = place.open().find(key)
        assert found is None or (found.folder / MODEL).read_text() == text
        assert found is None or found.facts.scores == FACTS.scores

    store = place.open(QUICK)
    make(store, KEY)
    child_of(store, KEY)
    for key, text in texts.items():
        found = place.open().find(key)
        assert found is not None
        assert (found.folder / MODEL).read_text() == text


def test_verify_hashes_every_byte_again(place: Place) -> None:
    store = place.open()
    make(store, KEY)
    make(store, CHILD)
    assert store.find(KEY) is not None

    damage(place, model_of(place, KEY), lambda _: b"weighTs")

    assert store.space.verify(KEY) == f"{MODEL} has changed"
    assert store.space.verify(CHILD) is None
    assert list(store.keys()) == [KEY, CHILD]


def test_a_removed_stage_is_gone_and_its_bytes_are_counted(place: Place) -> None:
    store = place.open()
    make(store, KEY)
    num_bytes = store.space.stages()[KEY].num_bytes

    assert store.space.remove(KEY) == num_bytes > 0
    assert place.names("stages") == []
    assert place.open().find(KEY) is None
    assert store.space.remove(KEY) == 0


def test_a_stage_under_a_lease_is_not_removed(place: Place) -> None:
    store = place.open()
    make(store, KEY)

    with store.lease(KEY):
        assert place.open().space.is_busy(KEY)
        assert place.open().space.remove(KEY) == 0

    assert store.find(KEY) is not None


def test_a_stage_that_a_session_found_is_not_removed_until_its_end(place: Place) -> None:
    reader, other = place.open(), place.open()
    make(other, KEY)
    with reader.using():
        found = reader.find(KEY)
        assert found is not None

        assert other.space.remove(KEY) == 0
        assert (found.folder / MODEL).read_text() == "weights"

    assert other.space.remove(KEY) > 0


@pytest.mark.parametrize("place", ["disk"], indirect=True)
def test_a_session_ends_with_its_process(place: Place) -> None:
    make(place.open(), KEY)
    code = (
        "import sys, os, signal; from trainables.stage_store import StageStore\n"
        "store = StageStore(sys.argv[1])\n"
        "with store.using():\n"
        "    store.find(sys.argv[2]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, place.url, KEY], check=False, cwd=Path(__file__).parents[2])
    assert len(place.names("users")) == 1

    assert place.open().space.remove(KEY) > 0
    assert place.names("users") == []


@pytest.mark.usefixtures("without_locks")
def test_a_session_of_another_host_ends_when_the_storage_has_not_heard_of_it_for_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, other = place.open(), place.open()
    make(other, KEY)
    with reader.using():
        reader.find(KEY)
        monkeypatch.setattr(uses, "_FORGOTTEN_EXPIRIES", -(10**6))  # as if the time had passed

        assert other.space.remove(KEY) > 0


def test_what_was_set_aside_and_scratch_of_the_killed_are_leftovers(place: Place) -> None:
    store = place.open()
    make(store, KEY)
    damage(place, model_of(place, KEY), lambda _: b"broken!")
    store = place.open()
    store.find(KEY)
    scratch = store.root / "work" / f"{CHILD}-12345678"
    scratch.mkdir()

    leftovers = store.space.leftovers()

    assert len(leftovers) == 2
    assert all(store.space.remove_leftover(name) for name in leftovers)
    assert store.space.leftovers() == {}


def test_a_damaged_stage_of_a_bucket_is_not_downloaded_again_from_where_it_was_moved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(place.open(), KEY)
    damage(place, model_of(place, KEY), lambda _: b"broken!")
    store, fetched = place.open(), list[str]()
    fetch = Contents.fetch

    def noted(self: Contents, folder: str, **rest: Any) -> Any:
        fetched.append(folder)
        return fetch(self, folder, **rest)

    monkeypatch.setattr(Contents, "fetch", noted)
    assert store.find(KEY) is None
    assert any(folder.startswith("damaged/") for folder in fetched) == (not place.url.startswith("s3://"))


def test_a_folder_may_be_named_by_a_file_url(tmp_path: Path) -> None:
    make(StageStore((tmp_path / "a store").as_uri()), KEY)

    assert StageStore(tmp_path / "a store").find(KEY) is not None


def test_a_store_that_cannot_be_is_refused_with_the_next_step(s3_endpoint: str) -> None:
    del s3_endpoint
    for url in ("gs://bucket/store", "s3://", "s3://there-is-no-such-bucket/store"):
        with pytest.raises(StoreUnusableError, match="--store"):
            StageStore(url)
