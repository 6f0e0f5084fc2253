"""Trials with low-rank adapters, on a real rank: what is trained, what is stored, and what starts from it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import XLMRobertaModel

from tests.trainables_tests.tiny_jobs import MAX_LENGTH, Bench, engine, phase, trial
from trainables.config import AdapterConfig, PhaseConfig, TrialConfig
from trainables.data.encoded_split import (
    EncodedRequest,
    TokenizerSource,
    open_encoded_task,
    tokenizer_fingerprint,
)
from trainables.models.adapters import ADAPTER, add_adapter, merge_adapter, write_adapter
from trainables.models.encoder import load_encoder, load_tokenizer, new_encoder
from trainables.models.families.adapted_matrices import adapter_bytes
from trainables.models.task_model import build_task_model
from trainables.models.weights import read_weights
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks.jobs import HEADS
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore, StoredStage
from trainables.tasks.registry import task
from trainables.training.trainer import training_data
from trainables.trials.trial import TrialResources, run_trial

pytestmark = pytest.mark.usefixtures("tiny_world")

LARGE = {
    "model_type": "xlm-roberta",
    "vocab_size": 250002,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}
"""config.json of XLM-R Large (arXiv 1911.02116)."""
MOST_BYTES = 5_000_000
ADAPTER_OF = {"rank": 4, "alpha": 8.0, "targets": "attention"}
REPOSITORY = Path(__file__).parents[3]

PROGRAM = """
import sys
from pathlib import Path
from trainables.config import TrialConfig
from trainables.ranks.local_group import LocalGroup
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial
config = TrialConfig.model_validate_json(sys.argv[1])
run_trial(config, resources=TrialResources(store=StageStore(Path(sys.argv[2])), group=LocalGroup(config.engine)))
"""


def adapted_trial(encoder: Path, *, steps: int = 4, **fields: Any) -> TrialConfig:
    work = phase(mixture={"commonsense_qa": 1.0}, steps=steps, adapter=ADAPTER_OF)
    return trial(encoder, intermediate=work, target=phase(steps=steps, adapter=ADAPTER_OF), **fields)


def run(config: TrialConfig, store: StageStore, group: LocalGroup) -> TrialResult:
    return run_trial(config, resources=TrialResources(store=store, group=group))


def stages_of(config: TrialConfig, store: StageStore) -> dict[str, StoredStage]:
    """Return phase -> stage."""
    plan = plan_stages(config, provenance=read_provenance(config))
    found = {stage.phase: store.find(stage.key) for stage in plan}
    return {phase: stage for phase, stage in found.items() if stage is not None}


@pytest.fixture(scope="module")
def finished(
    tiny_encoder: Path, tiny_world: None, tmp_path_factory: pytest.TempPathFactory, one_rank: LocalGroup
) -> tuple[TrialConfig, StageStore, TrialResult]:
    """A trial whose intermediate phase and whose target phase train adapters."""
    del tiny_world
    config, store = adapted_trial(tiny_encoder), StageStore(tmp_path_factory.mktemp("adapters") / "store")
    return config, store, run(config, store, one_rank)


@pytest.mark.slow
def test_the_weights_are_those_of_peft_in_a_plain_loop(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    work = phase(learning_rate=3e-3, weight_decay=0.3, max_gradient_norm=0.5, adapter=ADAPTER_OF)

    trained = bench.train(one_rank, work)

    losses, weights = trained_by_peft(work, bench)
    assert trained.losses == pytest.approx(losses, abs=1e-5, rel=0)
    ours = read_weights(trained.folder / ADAPTER)
    assert ours.keys() == weights.keys()
    assert max(float((ours[name] - weights[name]).abs().max()) for name in ours) < 1e-5
    assert max(float(ours[name].abs().max()) for name in ours if name.endswith(".lora_B")) > 1e-3


def trained_by_peft(work: PhaseConfig, bench: Bench) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Train as a textbook would: transformers' encoder in peft's model, torch's AdamW and clipping."""
    source = TokenizerSource(tokenizer=load_tokenizer(bench.encoder), fingerprint=tokenizer_fingerprint(bench.encoder))
    request = EncodedRequest(
        spec=task("mnli"), split="train", tokenizer=source, max_length=MAX_LENGTH, cache=bench.cache
    )
    data = training_data(work, {"mnli": open_encoded_task(request)})
    assert work.adapter is not None
    start = load_encoder(bench.encoder, dropout=0.0)
    add_adapter(start.model, work.adapter, seed=work.seed)
    built = build_task_model(work, {"mnli": task("mnli")}, encoder=load_encoder(bench.encoder, dropout=0.0))
    head = {name: nn.Parameter(value.clone()) for name, value in built.heads["mnli"].scorer.state_dict().items()}
    model = get_peft_model(
        XLMRobertaModel.from_pretrained(
            bench.encoder, add_pooling_layer=False, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        ),
        LoraConfig(r=4, lora_alpha=8, target_modules=["query", "key", "value", "attention.output.dense"]),
    )
    first = {f"base_model.model.{name}": value for name, value in start.model.state_dict().items() if "lora" in name}
    assert not model.load_state_dict(first, strict=False).unexpected_keys
    of_adapter = [one for one in model.parameters() if one.requires_grad]
    parameters = [*of_adapter, *head.values()]
    groups = [
        {"params": [one for one in parameters if one.ndim == 2], "weight_decay": work.weight_decay},
        {"params": [one for one in parameters if one.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, work.adam_beta2), eps=work.adam_epsilon, foreach=False)
    losses: list[float] = []
    for step in range(20):
        (block,) = data.plan.step(step)
        batch = data.tasks["mnli"].batch(block.indices, generator=np.random.default_rng(0))
        mask = batch["attention_mask_BT"]
        hidden = model(input_ids=batch["input_ids_BT"], attention_mask=mask).last_hidden_state
        mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        normed = nn.functional.layer_norm(mean, mean.shape[-1:], head["norm.weight"], head["norm.bias"], 1e-12)
        inner = torch.tanh(normed @ head["dense.weight"].T + head["dense.bias"])
        logits = inner @ head["out_proj.weight"].T + head["out_proj.bias"]
        loss = nn.functional.cross_entropy(logits, batch["labels_B"])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        for group in optimizer.param_groups:  # 10 % of 20 steps warm up
            group["lr"] = work.learning_rate * min((step + 1) / 3, (20 - step) / 18)
        optimizer.step()
        losses.append(loss.item())
    named = {name.removeprefix("base_model.model."): one.detach() for name, one in model.named_parameters()}
    return losses, {name.removesuffix(".default.weight"): one for name, one in named.items() if "lora" in name}


@pytest.mark.slow
def test_a_stage_stores_its_adapter_alone_and_its_manifest_names_it(
    finished: tuple[TrialConfig, StageStore, TrialResult],
) -> None:
    config, store, _ = finished
    stages = stages_of(config, store)

    for name in ("intermediate", "target"):
        files = {path.name for path in stages[name].folder.iterdir()}
        assert "model.safetensors" not in files
        assert ADAPTER in files
        assert (HEADS in files) == (name == "target")
        assert stages[name].facts.adapter == AdapterConfig(**ADAPTER_OF)
        assert "peft" in stages[name].facts.made_with
    assert stages["evaluation"].facts.adapter is None


@pytest.mark.slow
def test_what_starts_from_an_adapter_has_it_in_its_weights(
    finished: tuple[TrialConfig, StageStore, TrialResult], tiny_encoder: Path, one_rank: LocalGroup
) -> None:
    config, store, _ = finished
    after = config.model_copy(update={"target": phase(steps=1, learning_rate=1e-12)})

    run(after, store, one_rank)

    adapter = stages_of(config, store)["intermediate"].folder
    merged = load_encoder(tiny_encoder, dropout=0.0, adapters=[adapter]).model.state_dict()
    start = load_encoder(tiny_encoder, dropout=0.0).model.state_dict()
    trained = load_encoder(stages_of(after, store)["target"].place, dropout=0.0).model.state_dict()
    assert max(float((trained[name] - merged[name]).abs().max()) for name in merged) < 1e-9
    assert max(float((merged[name] - start[name]).abs().max()) for name in merged) > 1e-4


@pytest.mark.slow
def test_a_trial_made_again_elsewhere_has_the_same_bytes(
    finished: tuple[TrialConfig, StageStore, TrialResult], tmp_path: Path, one_rank: LocalGroup
) -> None:
    config, store, result = finished
    elsewhere = StageStore(tmp_path / "store")

    again = run(config, elsewhere, one_rank)

    assert again.languages == result.languages
    assert bytes_of(config, elsewhere) == bytes_of(config, store)


def bytes_of(config: TrialConfig, store: StageStore) -> list[bytes]:
    stages = stages_of(config, store)
    return [(stages[name].folder / ADAPTER).read_bytes() for name in ("intermediate", "target")]


@pytest.mark.slow
def test_a_killed_trial_continues_its_adapter_from_a_checkpoint(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    config = adapted_trial(tiny_encoder, steps=60, engine=engine(checkpoint_seconds=0.01))
    whole, killed = StageStore(tmp_path / "whole"), tmp_path / "killed"
    run(config, whole, one_rank)
    arguments = [sys.executable, "-c", PROGRAM, config.model_dump_json(), str(killed)]

    process = subprocess.Popen(arguments, cwd=REPOSITORY)
    deadline = time.monotonic() + 240
    while not list(killed.glob("checkpoints/*/*/manifest.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(killed.glob("checkpoints/*/*/manifest.json"))
    store = StageStore(killed)
    run(config, store, one_rank)

    assert bytes_of(config, store) == bytes_of(config, whole)


@pytest.mark.slow
def test_an_adapter_that_continues_a_checkpoint_is_the_unbroken_one_bit_for_bit(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    bench, work = Bench(encoder=tiny_encoder, folder=tmp_path), phase(adapter=ADAPTER_OF, dropout=0.1)
    states = tmp_path / "states"
    unbroken = bench.train(one_rank, work, config=engine(checkpoint_seconds=1e-3), checkpoints=states)
    first = min(path for path in states.iterdir() if path.name.isdigit())

    continued = bench.train(one_rank, work, state=first)

    assert 0 < continued.result.first_step < work.steps
    assert continued.losses == unbroken.losses
    assert (continued.folder / ADAPTER).read_bytes() == (unbroken.folder / ADAPTER).read_bytes()


@pytest.mark.slow
def test_two_sharded_ranks_train_the_same_adapter(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup, two_ranks: LocalGroup
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    work = phase(adapter=ADAPTER_OF)

    alone = bench.train(one_rank, work)
    sharded = bench.train(two_ranks, work, config=engine(num_workers=2, zero_stage=3))

    assert sharded.losses == pytest.approx(alone.losses, abs=1e-5, rel=0)


@pytest.mark.slow
def test_the_start_of_an_adapter_depends_on_the_seed_of_the_phase_alone(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    fields = {"steps": 1, "learning_rate": 1e-12, "adapter": ADAPTER_OF}

    works = (phase(**fields), phase(**fields, head_seed=5), phase(**fields, seed=5))
    usual, other_head, other = (read_weights(bench.train(one_rank, work).folder / ADAPTER) for work in works)

    (name, *_) = (name for name in usual if name.endswith(".lora_A"))
    assert torch.allclose(usual[name], other_head[name], atol=1e-9, rtol=0)
    assert not torch.allclose(usual[name], other[name], atol=1e-3, rtol=0)


def test_an_adapter_of_xlmr_large_takes_three_megabytes() -> None:
    # 24 layers, two matrices of 1024 x 1024 in each, rank 8, four bytes
    assert adapter_bytes(LARGE, AdapterConfig()) == 24 * 2 * 8 * (1024 + 1024) * 4 == 3_145_728 < MOST_BYTES


@pytest.mark.parametrize("targets", ["query_value", "attention", "all"])
def test_the_file_has_the_size_that_arithmetic_says(targets: Any, tmp_path: Path) -> None:
    # A quarter of the width of XLM-R Large, an eighth of its layers, and few words.
    config = {**LARGE, "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 3, "vocab_size": 100}
    adapter = AdapterConfig(targets=targets)
    encoder = new_encoder(config, dropout=0.0)
    add_adapter(encoder.model, adapter, seed=0)

    write_adapter(encoder.model.state_dict(), adapter=adapter, folder=tmp_path, dtype=torch.float32)

    expected = adapter_bytes(config, adapter)
    assert expected <= (tmp_path / ADAPTER).stat().st_size <= expected + 5_000  # the names of the tensors


def test_an_untrained_adapter_changes_nothing_and_a_merged_one_computes_the_same(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    ids_BT, adapter = torch.randint(5, 50, (3, 7)), AdapterConfig(rank=4, targets="all")
    plain, adapted = (load_encoder(tiny_encoder, dropout=0.0).eval() for _ in range(2))
    add_adapter(adapted.model, adapter, seed=1)
    assert torch.equal(adapted(ids_BT, None).hidden_BSD, plain(ids_BT, None).hidden_BSD)
    with torch.no_grad():
        for name, weight in adapted.model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.1)

    write_adapter(adapted.model.state_dict(), adapter=adapter, folder=tmp_path, dtype=torch.float32)
    merge_adapter(plain.model, tmp_path)

    assert torch.allclose(plain(ids_BT, None).hidden_BSD, adapted(ids_BT, None).hidden_BSD, atol=1e-5)
    assert json.loads((tmp_path / "adapter.json").read_text())["rank"] == 4
