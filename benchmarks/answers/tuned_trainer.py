"""The other side of `time_to_answer.py`: Tune with a function trainable, and Hugging Face's Trainer in it.

    python -m answers.tuned_trainer JOB.json

With a list, Tune runs every configuration. Without, OptunaSearch (TPE) proposes, and ASHA stops trials at rungs, where
they report a score and a checkpoint. These are the parts of Ray's pages on Tune's function API, its search algorithms
and its schedulers. A trial has one worker, so it runs Trainer itself, without a TorchTrainer in between, which would
start two more processes for each trial.

It is given what is good for it: data are tokenised once for all trials, lower rungs are scored on as few items as our
own, and only the newest checkpoint is kept. Phases have the same steps, batch sizes, frozen layers and learning rates
as ours; heads are those of transformers.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any  # Any: Ray and transformers are untyped

RESULTS, STEPS, DATA = "results.jsonl", "steps.jsonl", "data"
LOWER_ITEMS = 50
"""Items of each language at rungs below the last."""


def main() -> None:
    """Run the search of a job file."""
    job = json.loads(Path(sys.argv[1]).read_text())
    prepare_data(job)
    import ray

    ray.init(num_cpus=job["concurrency"], include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    found = tuner(job).fit()
    ray.shutdown()
    if found.errors:
        sys.exit(f"{len(found.errors)} trials of Tune failed; the first one: {found.errors[0]}")


def prepare_data(job: dict[str, Any]) -> None:
    """Tokenise every task once, as data sets on disk."""
    from transformers import AutoTokenizer

    from trainables.data.sources.loader import load_rows
    from trainables.tasks.registry import task

    world, folder = job["world"], Path(job["folder"], DATA)
    tokenizer = AutoTokenizer.from_pretrained(world["encoder_folder"], local_files_only=True)
    for name, steps in [(name, world["intermediate_steps"]) for name in world["intermediate_tasks"]] + [
        (world["target_task"], world["target_steps"])
    ]:
        rows = load_rows(task(name), split="train")
        rows = rows.select(range(min(len(rows), steps * world["batch_size"])))
        _encoded(rows, kind=task(name).kind, tokenizer=tokenizer, max_length=world["max_length"]).save_to_disk(
            str(folder / name)
        )
    spec = task(world["evaluation_task"])
    for language in world["languages"]:
        rows = load_rows(spec, split="validation", language=language)
        rows = rows.select(range(min(len(rows), world["num_items"])))
        _encoded(rows, kind=spec.kind, tokenizer=tokenizer, max_length=world["max_length"]).save_to_disk(
            str(folder / f"dev.{language}")
        )


def _encoded(rows: Any, *, kind: str, tokenizer: Any, max_length: int) -> Any:
    def pairs(batch: Any) -> Any:
        encoded = tokenizer(batch["premise"], batch["hypothesis"], truncation=True, max_length=max_length)
        return {**encoded, "labels": batch["label"]}

    def choices(batch: Any) -> Any:
        count = len(batch["choices"][0])
        questions = [question for question in batch["question"] for _ in range(count)]
        flat = [text for texts in batch["choices"] for text in texts]
        encoded = tokenizer(questions, flat, truncation=True, max_length=max_length)
        grouped = {
            name: [values[at : at + count] for at in range(0, len(values), count)] for name, values in encoded.items()
        }
        return {**grouped, "labels": batch["label"]}

    def spans(batch: Any) -> Any:
        encoded = tokenizer(
            batch["question"],
            batch["context"],
            truncation="only_second",
            max_length=max_length,
            return_offsets_mapping=True,
        )
        found = [_span(encoded, at, answers) for at, answers in enumerate(batch["answers"])]
        kept = {name: encoded[name] for name in ("input_ids", "attention_mask")}
        return {**kept, "start_positions": [start for start, _ in found], "end_positions": [end for _, end in found]}

    function = {"sentence_pair": pairs, "multiple_choice": choices, "span_qa": spans}[kind]
    return rows.map(function, batched=True, remove_columns=rows.column_names)


def _span(encoded: Any, at: int, answers: Any) -> tuple[int, int]:
    """Return the first and last token of an answer; the first token where the text was cut before it."""
    begin = answers["answer_start"][0]
    end = begin + len(answers["text"][0])
    inside = [
        place
        for place, (first, last) in enumerate(encoded["offset_mapping"][at])
        if encoded.sequence_ids(at)[place] == 1 and first < end and last > begin
    ]
    return (inside[0], inside[-1]) if inside else (0, 0)


def tuner(job: dict[str, Any]) -> Any:
    """Return the Tuner of a job."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    class Results(tune.Callback):
        def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
            del iteration, trials, info
            line = {"time": time.time(), "trial": trial.trial_id, "step": result["step"], "score": result["eval_score"]}
            with Path(job["folder"], RESULTS).open("a") as file:
                file.write(json.dumps(line) + "\n")

    settings: dict[str, Any] = {"metric": "eval_score", "mode": "max", "max_concurrent_trials": job["concurrency"]}
    world, listed = job["world"], job["listed"]
    if listed:
        space: Any = {"trial": tune.grid_search(listed)}
    else:
        space = None
        search = OptunaSearch(partial(_propose, world=world), metric="eval_score", mode="max", seed=job["seed"])
        asha = ASHAScheduler(
            time_attr="step", max_t=world["rungs"][-1], grace_period=world["rungs"][0], reduction_factor=job["eta"]
        )
        settings |= {"search_alg": search, "scheduler": asha, "num_samples": job["trials"]}
    return tune.Tuner(
        partial(train_trial, job=job),
        param_space=space,
        tune_config=tune.TuneConfig(**settings),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(Path(job["folder"], "tune")),
            callbacks=[Results()],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            verbose=0,
        ),
    )


def _propose(trial: Any, *, world: dict[str, Any]) -> None:
    """Define a space with conditions by run, as Optuna's users do: families, tasks, learning rates."""
    if trial.suggest_categorical("family", ["none", "text"]) == "text":
        trial.suggest_categorical("task", world["intermediate_tasks"])
        lowest, _, highest = world["intermediate_rates"]
        trial.suggest_float("intermediate_rate", lowest, highest, log=True)
    lowest, _, highest = world["target_rates"]
    trial.suggest_float("target_rate", lowest, highest, log=True)


def train_trial(config: dict[str, Any], *, job: dict[str, Any]) -> None:
    """Train the intermediate phase and the target phase of one configuration, in a process of its own."""
    import torch

    torch.set_num_threads(1)
    trial, world = config.get("trial", config), job["world"]
    with tempfile.TemporaryDirectory(dir=job["folder"]) as scratch:
        encoder = world["encoder_folder"]
        if trial.get("task"):
            encoder = str(Path(scratch, "intermediate"))
            model = _train(
                trial["task"],
                start=world["encoder_folder"],
                rate=trial["intermediate_rate"],
                steps=world["intermediate_steps"],
                job=job,
            )
            model.base_model.save_pretrained(encoder)
        _train(
            world["target_task"],
            start=encoder,
            rate=trial["target_rate"],
            steps=world["target_steps"],
            job=job,
            scored_at=[world["target_steps"]] if job["listed"] else world["rungs"],
        )


def _train(
    name: str, *, start: str, rate: float, steps: int, job: dict[str, Any], scored_at: list[int] | None = None
) -> Any:
    """Train one phase with Trainer, and return the model; with `scored_at`, score and save it at these steps."""
    from datasets import load_from_disk
    from transformers import PrinterCallback, Trainer, TrainingArguments

    world, kind = job["world"], _kind(name)
    with tempfile.TemporaryDirectory(dir=job["folder"]) as output:
        trainer = Trainer(
            model=_model(kind, start=start, freeze_layers=world["freeze_layers"]),
            args=TrainingArguments(
                output_dir=output,
                per_device_train_batch_size=world["batch_size"],
                per_device_eval_batch_size=world["batch_size"],
                max_steps=steps,
                learning_rate=rate,
                warmup_steps=round(0.1 * steps),
                train_sampling_strategy=job["order"],
                seed=job["seed"],
                use_cpu=True,
                bf16=job["bf16"],
                report_to="none",
                save_strategy="no",
                eval_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=load_from_disk(str(Path(job["folder"], DATA, name))),
            eval_dataset=_dev(job, num_items=world["num_items"]) if scored_at else None,
            data_collator=_collator(kind, folder=world["encoder_folder"]),
            compute_metrics=_accuracy,
        )
        trainer.remove_callback(PrinterCallback)
        if scored_at:
            _report_at(trainer, scored_at, job=job)
        clock = _Clock(job)
        trainer.add_callback(clock.callback())
        trainer.train()
    return trainer.model


def _report_at(trainer: Any, scored_at: list[int], *, job: dict[str, Any]) -> None:
    """Let a trainer score itself, save a checkpoint and report both to Tune at some steps."""
    from ray import tune
    from transformers import TrainerCallback
    from transformers.trainer_utils import get_last_checkpoint

    lower, whole = _dev(job, num_items=LOWER_ITEMS), trainer.eval_dataset

    class AtRungs(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kept: Any) -> Any:
            del args, kept
            if state.global_step in scored_at:
                trainer.eval_dataset = whole if state.global_step == scored_at[-1] else lower
                control.should_evaluate = control.should_save = True
            return control

        def on_save(self, args: Any, state: Any, control: Any, **kept: Any) -> None:
            del control, kept
            score = next(entry["eval_score"] for entry in reversed(state.log_history) if "eval_score" in entry)
            checkpoint = tune.Checkpoint.from_directory(get_last_checkpoint(args.output_dir))
            tune.report({"step": state.global_step, "eval_score": score}, checkpoint=checkpoint)

    trainer.add_callback(AtRungs())


class _Clock:
    """Notes how many steps a phase took, and the seconds from each step's begin to its end."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._file = Path(job["folder"], STEPS)

    def callback(self) -> Any:
        from transformers import TrainerCallback

        file = self._file

        class Noted(TrainerCallback):
            began = 0.0
            seconds: list[float] = []  # noqa: RUF012  one instance, one phase

            def on_step_begin(self, *_: Any, **__: Any) -> None:
                Noted.began = time.perf_counter()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                with file.open("a") as lines:  # a trial that ASHA stops has taken its steps too
                    lines.write(f"{time.perf_counter() - Noted.began}\n")

        return Noted()


def _kind(name: str) -> str:
    from trainables.tasks.registry import task

    return task(name).kind


def _model(kind: str, *, start: str, freeze_layers: int) -> Any:
    import torch
    from transformers import (
        AutoModelForMultipleChoice,
        AutoModelForQuestionAnswering,
        AutoModelForSequenceClassification,
    )

    makers: dict[str, Any] = {
        "sentence_pair": AutoModelForSequenceClassification,
        "multiple_choice": AutoModelForMultipleChoice,
        "span_qa": AutoModelForQuestionAnswering,
    }
    wanted = {"num_labels": 3} if kind == "sentence_pair" else {}
    # Published encoders are often in float16, in which transformers would train them: slow, and without a result.
    model = makers[kind].from_pretrained(start, local_files_only=True, dtype=torch.float32, **wanted)
    frozen = [model.base_model.embeddings, *model.base_model.encoder.layer[:freeze_layers]]
    for module in frozen:
        module.requires_grad_(requires_grad=False)
    return model


def _collator(kind: str, *, folder: str) -> Any:
    from transformers import (
        AutoTokenizer,
        DataCollatorForMultipleChoice,
        DataCollatorWithPadding,
    )

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return (DataCollatorForMultipleChoice if kind == "multiple_choice" else DataCollatorWithPadding)(tokenizer)


def _dev(job: dict[str, Any], *, num_items: int) -> Any:
    from datasets import concatenate_datasets, load_from_disk

    parts = [load_from_disk(str(Path(job["folder"], DATA, f"dev.{name}"))) for name in job["world"]["languages"]]
    return concatenate_datasets([part.select(range(min(num_items, len(part)))) for part in parts])


def _accuracy(predictions: Any) -> dict[str, float]:
    """Return the share of right answers; languages have equal numbers of items, so it is the mean over languages."""
    return {"score": float((predictions.predictions.argmax(-1) == predictions.label_ids).mean())}


if __name__ == "__main__":
    main()
