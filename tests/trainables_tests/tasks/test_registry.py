"""Tasks by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainables.errors import TaskDataError, UnknownTaskError
from trainables.miniature.rows import NUM_ROWS
from trainables.tasks.catalogue.all import CATALOGUE, NLI_LABELS
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.registry import family_of, register, task, tasks
from trainables.tasks.spec import GeneratedSource, HubSource, TaskSpec


@pytest.mark.parametrize("spec", CATALOGUE, ids=lambda spec: spec.name)
def test_every_shipped_task_names_its_kinds_columns_and_its_source(spec: TaskSpec) -> None:
    assert set(kind(spec.kind).required_columns) <= set(spec.columns)
    assert "validation" in spec.splits
    pinned = not isinstance(spec.source, HubSource) or spec.source.revision is not None
    assert pinned or "Revision not pinned" in spec.notes


def test_inference_labels_have_one_order_everywhere() -> None:
    three_way = [spec for spec in CATALOGUE if len(spec.labels) == 3]
    assert {spec.labels for spec in three_way} == {NLI_LABELS}
    assert {"mnli", "xnli", "snli", "anli", "anli_plus"} < {spec.name for spec in three_way}


def test_generated_tasks_say_how_many_rows_they_have() -> None:
    trained = [spec for spec in CATALOGUE if isinstance(spec.source, GeneratedSource) and "train" in spec.splits]
    sizes = {spec.name: spec.num_train_examples for spec in trained}
    assert sizes == {name: splits["train"] for name, splits in NUM_ROWS.items()}


def test_an_unknown_name_lists_near_matches() -> None:
    with pytest.raises(UnknownTaskError, match="did you mean 'mnli'"):
        task("mnil")


def test_a_name_is_registered_once() -> None:
    register(task("mnli"))
    with pytest.raises(TaskDataError, match="another task has this name"):
        register(task("mnli").model_copy(update={"licence": "other"}))
    assert task("mnli") is tasks()["mnli"]


@pytest.mark.parametrize(
    ("mixture", "family"),
    [
        (None, "none"),
        ({"snli": 1.0}, "text"),
        ({"nlvr": 1.0}, "multimodal"),
        ({"snli": 0.5, "nlvr": 0.5}, "multitask"),
    ],
)
def test_a_mixture_has_a_family(mixture: dict[str, float] | None, family: str) -> None:
    assert family_of(mixture) == family


def test_the_registry_and_locate_import_no_heavy_package() -> None:
    code = (
        "import sys, trainables.tasks.registry, trainables.data.sources.locator\n"
        "assert not {'torch', 'datasets', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
