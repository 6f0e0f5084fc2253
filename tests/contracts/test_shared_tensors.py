"""What every stage store promises of tensors that stages share: each is there once, and no stage loses one."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import threading
from pathlib import Path

import pytest
import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor

from tests.contracts.stores import CHILD, GRANDCHILD, KEY, Place, damage
from tests.trainables_tests.stage_maker import FACTS
from trainables.errors import StoreUnusableError
from trainables.models.weights import read_place
from trainables.stage_store import ListedStage, StageStore, StoredStage, bytes_of, manifest, shared_tensors
from trainables.stage_store import Place as WeightPlace
from trainables.tensor_files import OWN, SHARED, WHOLE, whole_pieces

EMBEDDINGS = 200_000
"""Size of the tensors that do not change, in numbers."""


def weights(seed: int) -> dict[str, Tensor]:
    """Return the weights of a stage: embeddings that are the same for all seeds, and a layer that is not."""
    torch.manual_seed(0)
    same = {"embeddings.words.weight": torch.randn(EMBEDDINGS // 10, 10), "embeddings.types.weight": torch.randn(1, 10)}
    torch.manual_seed(seed)
    return same | {"layer.0.weight": torch.randn(30, 30), "layer.0.bias": torch.randn(30).bfloat16()}


def checkpoint(folder: Path, *, prefix: str = "") -> WeightPlace:
    """Write the encoder that stages start from; with a prefix, as a checkpoint of a model with a head."""
    folder.mkdir(parents=True)
    named = {prefix + name: tensor for name, tensor in weights(1).items()}
    save_file(named | ({"lm_head.bias": torch.zeros(9)} if prefix else {}), folder / WHOLE, metadata={"format": "pt"})
    return WeightPlace(folder)


def make(
    store: StageStore, key: str, *, start: WeightPlace | None, seed: int = 2, parent: str | None = None
) -> StoredStage:
    facts = FACTS.model_copy(update={"parent": parent})
    with store.lease(key), store.work_folder(key) as folder:
        save_file(weights(seed), folder / WHOLE, metadata={"format": "pt"})
        (folder / "config.json").write_text("{}")
        return store.commit(key, folder=folder, facts=facts, start=start)


def checksum(stage: StoredStage) -> str:
    pieces = whole_pieces(stage.place) if stage.shared else [(stage.folder / WHOLE).read_bytes()]
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def found(place: Place, key: str) -> StoredStage:
    stage = place.open().find(key)
    assert stage is not None
    return stage


@pytest.fixture
def start(tmp_path: Path) -> WeightPlace:
    return checkpoint(tmp_path / "checkpoint")


@pytest.mark.parametrize("prefix", ["", "roberta."])
def test_a_stage_is_rebuilt_bit_for_bit_and_has_the_digest_of_the_whole_one(
    place: Place, tmp_path: Path, prefix: str
) -> None:
    before = checkpoint(tmp_path / "before", prefix=prefix)
    whole = make(StageStore(tmp_path / "whole"), KEY, start=None)

    made = make(place.open(), KEY, start=before)

    assert not (made.folder / WHOLE).exists()
    assert (made.folder / OWN).stat().st_size < 10_000
    again = found(place, KEY)
    assert checksum(again) == checksum(made) == checksum(whole)
    assert again.digest == whole.digest
    read = read_place(again.place)
    assert read.keys() == weights(2).keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in weights(2).items())


def test_stages_of_one_start_share_one_copy(place: Place, start: WeightPlace) -> None:
    store = place.open()
    first = make(store, KEY, start=start)
    make(store, CHILD, start=first.place, seed=3, parent=KEY)
    make(place.open(), GRANDCHILD, start=found(place, CHILD).place, seed=4, parent=CHILD)

    assert len([name for name in place.names("shared") if name.endswith(SHARED)]) == 1
    stages = store.space.stages()
    assert {stage.shared_bytes > 4 * EMBEDDINGS for stage in stages.values()} == {True}
    assert bytes_of(stages.values()) < 4 * EMBEDDINGS + 50_000
    assert bytes_of(stages.values()) == sum(
        entry.num_bytes for name in ("stages", "shared") for entry in place.storage.entries(name)
    )


def test_a_stage_does_not_need_the_stage_or_the_checkpoint_that_it_started_from(
    place: Place, start: WeightPlace
) -> None:
    store = place.open()
    first = make(store, KEY, start=start)
    child = make(store, CHILD, start=first.place, seed=3, parent=KEY)

    assert store.space.remove(KEY) > 0
    (start.folder / WHOLE).unlink()

    assert checksum(found(place, CHILD)) == checksum(child)
    assert place.open().space.verify(CHILD) is None


def test_shared_tensors_go_with_the_last_stage_that_shares_them(place: Place, start: WeightPlace) -> None:
    store = place.open()
    make(store, KEY, start=start)
    make(store, CHILD, start=start, seed=3)

    assert 0 < store.space.remove(KEY) < 20_000
    assert place.names("shared") != []
    assert store.space.remove(CHILD) > 4 * EMBEDDINGS

    assert place.names("shared") == place.names("sharers") == []


def test_tensors_that_a_killed_process_left_are_leftovers(place: Place, start: WeightPlace) -> None:
    store = place.open()
    make(store, KEY, start=start)
    for name in place.names("stages"):
        place.storage.remove(name)

    leftovers = place.open().space.leftovers()

    assert [name for name in leftovers if name.startswith("shared/")] == list(leftovers)
    assert all(store.space.remove_leftover(name) for name in leftovers)
    assert place.names("shared") == []


def test_tensors_of_a_stage_that_is_being_made_stay(place: Place, start: WeightPlace) -> None:
    store, other = place.open(), place.open()
    make(store, KEY, start=start)
    (name,) = store.space.shared.sizes()
    with store.lease(CHILD):
        place.storage.write(f"sharers/{name}/{CHILD}", b"")  # as if it were just about to look for them

        assert 0 < other.space.remove(KEY) < 20_000

        assert other.space.shared.remove_unused(name) == 0
        assert other.space.leftovers() == {}
    assert other.space.shared.remove_unused(name) > 4 * EMBEDDINGS


def test_a_stage_that_shares_little_stays_whole_and_earlier_versions_read_it(place: Place, start: WeightPlace) -> None:
    store = place.open()
    with store.lease(KEY), store.work_folder(KEY) as folder:
        save_file({name: tensor + 1 for name, tensor in weights(2).items()}, folder / WHOLE)
        store.commit(KEY, folder=folder, facts=FACTS, start=start)

    assert (found(place, KEY).folder / WHOLE).is_file()
    (written,) = [name for name in place.names("stages") if name.endswith(manifest.MANIFEST)]
    content = json.loads(place.storage.read(written) or b"")
    assert content["version"] == manifest.USUAL_VERSION
    assert "shared" not in content


@pytest.mark.parametrize("part", ["stages/own.safetensors", "shared/shared.safetensors"])
def test_damage_in_either_part_is_found_and_the_stage_is_made_again(
    place: Place, start: WeightPlace, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = checksum(make(place.open(), KEY, start=start))
    damage(place, part, lambda content: content[:-1] + bytes([content[-1] ^ 1]))

    problem = place.open().space.verify(KEY)

    assert problem is not None
    assert "has changed" in problem
    store = place.open()
    with caplog.at_level(logging.WARNING):
        assert store.find(KEY) is None
    assert "it is made again" in caplog.text
    assert checksum(make(store, KEY, start=start)) == whole
    assert place.open().space.verify(KEY) is None
    assert checksum(found(place, KEY)) == whole


def test_one_stage_that_is_made_again_repairs_what_the_others_share(
    place: Place, start: WeightPlace, caplog: pytest.LogCaptureFixture
) -> None:
    whole = checksum(make(place.open(), KEY, start=start))
    child = checksum(make(place.open(), CHILD, start=start, seed=3))
    damage(place, "shared/shared.safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    store = place.open()
    assert store.find(KEY) is None

    with caplog.at_level(logging.WARNING):
        make(store, KEY, start=start)

    assert "are damaged (shared.safetensors has changed); moved to damaged/" in caplog.text
    assert checksum(found(place, KEY)) == whole
    assert checksum(found(place, CHILD)) == child
    assert [name.split("/")[0] for name in store.space.leftovers()] == ["damaged"]  # no stage, only what they shared


def test_tensors_that_another_process_hides_for_a_moment_are_waited_for(place: Place, start: WeightPlace) -> None:
    store = place.open()
    expected = checksum(make(store, KEY, start=start))
    (name,) = store.space.shared.sizes()
    (hidden,) = [one for one in place.names("shared") if one.endswith(manifest.MANIFEST)]
    content = place.storage.read(hidden)
    assert content is not None

    with place.open().lease(name):
        place.storage.remove(hidden)
        threading.Timer(0.5, lambda: place.storage.create(hidden, content)).start()

        assert checksum(found(place, KEY)) == expected


def test_shared_tensors_that_are_missing_are_named(place: Place, start: WeightPlace) -> None:
    store = place.open()
    make(store, KEY, start=start)
    for name in place.names("shared"):
        place.storage.remove(name)

    assert place.open().space.verify(KEY) == "the tensors that it shares are missing"


def test_a_start_that_is_gone_keeps_the_stage_whole(
    place: Place, start: WeightPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """As a checkpoint in the hub's cache, which holds links, after the cache was emptied."""
    (start.folder / WHOLE).unlink()
    (start.folder / WHOLE).symlink_to("gone")

    with caplog.at_level(logging.WARNING):
        made = make(place.open(), KEY, start=start)

    assert "is kept whole" in caplog.text
    assert made.shared is None
    assert checksum(found(place, KEY)) == checksum(made)


def test_a_disk_that_is_full_when_tensors_are_kept_apart_keeps_the_stage_whole(
    place: Place, start: WeightPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(pieces: object, path: Path) -> None:
        del pieces
        path.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    store = place.open()
    monkeypatch.setattr(shared_tensors, "write", full)

    made = make(store, KEY, start=start)

    assert (made.shared, sorted(path.name for path in made.folder.iterdir())) == (
        None,
        ["config.json", manifest.MANIFEST, WHOLE],
    )
    assert store.space.leftovers() == {}


def test_stages_keep_what_they_share_when_their_marks_are_lost(place: Place, start: WeightPlace) -> None:
    """Who copies a store can lose empty files."""
    store = place.open()
    make(store, KEY, start=start)
    child = checksum(make(store, CHILD, start=start, seed=3))
    for name in place.names("sharers"):
        place.storage.remove(name)

    assert store.space.leftovers() == {}
    assert store.space.remove(KEY) > 0

    assert checksum(found(place, CHILD)) == child
    assert store.space.remove(CHILD) > 4 * EMBEDDINGS
    assert place.names("shared") == []


def test_an_earlier_version_refuses_a_stage_that_shares_tensors(
    place: Place, start: WeightPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(place.open(), KEY, start=start)
    monkeypatch.setattr(manifest, "MANIFEST_VERSION", 5)

    with pytest.raises(StoreUnusableError, match="a manifest of version 6; this xstilts reads up to 5: update it"):
        ManifestOfVersion5.read(content_of(place), key=KEY)


class ManifestOfVersion5(manifest.Sealed):
    """The fields of a stage's manifest before stages shared tensors."""

    facts: manifest.StageFacts
    parent_digest: str | None = None
    lineage: dict[str, str] = Field(default_factory=dict)
    part: str = ""


def content_of(place: Place) -> bytes:
    (name,) = [name for name in place.names("stages") if name.endswith(manifest.MANIFEST)]
    content = place.storage.read(name)
    assert content is not None
    return content


def test_a_listing_that_was_read_before_is_not_read_again(place: Place, start: WeightPlace) -> None:
    store = place.open()
    make(store, KEY, start=start)
    first: dict[str, ListedStage] = store.space.stages()

    assert store.space.stages(known=first) == first
