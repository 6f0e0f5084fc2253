"""Computes the cost of stages of XLM-R Large: steps from the catalogue's sizes, bytes from its weights.

Seconds come from a cost model, or from the times of the stages in a record.
"""

from __future__ import annotations

from collections.abc import Mapping

from search.forecast.measured_times import MeasuredTimes
from search.forecast.simulation import Plan
from trainables.config import EvaluationConfig, PhaseConfig
from trainables.data.batch_plan import num_steps_for_epochs
from trainables.plan.mixture import mixture_weights, num_examples_of_an_epoch, phase_tasks
from trainables.plan.schedule import trunk_end
from trainables.plan.stage_plan import Provenance, Stage
from trainables.tasks.spec import TaskSpec

LAYERS, WIDTH, FEED_FORWARD, VOCABULARY = 24, 1024, 4096, 250_002
"""XLM-R Large (Conneau et al. 2020, arXiv 1911.02116, table 1; its configuration on the hub)."""

NUM_OUTSIDE_EMBEDDINGS = LAYERS * (4 * WIDTH**2 + 2 * WIDTH * FEED_FORWARD)
"""Parameters that multiply every token; biases and norms left out."""

NUM_PARAMETERS = NUM_OUTSIDE_EMBEDDINGS + WIDTH * (VOCABULARY + 514)
"""Parameters that the store keeps."""

TRAINING, SCORING = 6, 2
"""Operations per token and parameter, forward and backward or forward alone (Kaplan et al. 2020, 2001.08361, 2.1)."""

PEAK = 312e12
"""Operations a second of an A100 in bfloat16, dense (NVIDIA's data sheet of the A100)."""

IMAGE_TOKENS = 49
"""Patches of ViT-B/32 at 224 pixels, each a token of the encoder; the frozen tower's features are shared."""

EXAMPLES_NOT_IN_THE_CATALOGUE = {"nlvr2": 86_373, "snli_ve": 529_527, "vqa_v2": 443_757, "flickr30k": 29_000}
"""Task -> training examples, where the catalogue's notes alone have them."""

NUM_DEV_PAIRS = 2_490
"""Of XNLI, in each of 15 languages (arXiv 1809.05053)."""

SECONDS_PER_STAGE = 30.0
"""Loading, saving and hashing 2.2 GB of weights: an assumption."""


class CostModel:
    """Steps, seconds and bytes of stages.

    Args:
        provenance: Holds the tasks' specifications.
        gpus_per_trial: GPUs that share each step, without loss.
        utilisation: Share of the GPU's peak (0..1); 0.44 to 0.52 in Narayanan et al. 2021, arXiv 2104.04473, table 1.
    """

    def __init__(self, provenance: Provenance, *, gpus_per_trial: int, utilisation: float) -> None:
        self._specs = provenance.specs
        self.gpus_per_trial, self._utilisation = gpus_per_trial, utilisation
        self._ends: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def know(self, plans: Mapping[int, Plan]) -> None:
        """Register the stages that will be queried: the cost of a branch depends on its trunk."""
        for plan in plans.values():
            for stage in (stage for stages in plan for stage in stages):
                if stage.is_trunk and stage.key not in self._ends:
                    self._ends[stage.key] = self._end(stage)

    def steps(self, stage: Stage) -> int:
        """Return the steps that making a stage executes; 0 for an evaluation."""
        return self._end(stage) - (self._ends[stage.continues] if stage.continues else 0)

    def seconds(self, stage: Stage) -> float:
        """Return the time that making a stage takes."""
        known = self._seconds.get(stage.key)
        if known is None:
            known = self._seconds[stage.key] = (
                self.overhead_seconds(stage) + self._scoring_seconds(stage) + self.training_seconds(stage)
            )
        return known

    def overhead_seconds(self, stage: Stage) -> float:
        """Return the time of a stage outside of its steps and its scoring."""
        del stage
        return SECONDS_PER_STAGE

    def training_seconds(self, stage: Stage) -> float:
        """Return the time of its steps alone."""
        work = stage.work
        if isinstance(work, EvaluationConfig):
            return 0.0
        weights = mixture_weights(work, self._sizes(work))
        tokens = sum(weight * self._tokens(work, name) for name, weight in weights.items())
        return self._compute(TRAINING * self.steps(stage) * work.batch_size * tokens)

    def weight_bytes(self, stage: Stage) -> int:
        """Return the size of its weights, in float32."""
        return 0 if stage.phase == "evaluation" or stage.is_trunk else 4 * NUM_PARAMETERS

    def state_bytes(self, stage: Stage) -> int:
        """Return the size of its training state: weights and two moments in float32."""
        return 12 * NUM_PARAMETERS if stage.is_trunk else 0

    def assumptions(self) -> list[str]:
        """Return the assumptions of the model, one line each."""
        per_token = f"{TRAINING} operations per token and parameter outside embeddings"
        gpu = f"A100 bfloat16, {PEAK / 1e12:.0f} TFLOP/s at {self._utilisation:.0%}"
        return [
            f"cost      {per_token} ({NUM_OUTSIDE_EMBEDDINGS / 1e6:.0f} M), {SCORING} without backward;",
            f"          {gpu}; every text as long as max_length, an image {IMAGE_TOKENS} tokens;",
            f"          evaluation on 15 x {NUM_DEV_PAIRS:,} pairs at every rung, dev scores on 1,000 items;",
            f"          {SECONDS_PER_STAGE:.0f} s a stage to load, save and hash",
        ]

    def _end(self, stage: Stage) -> int:
        work = stage.work
        if isinstance(work, EvaluationConfig):
            return 0
        num_examples = num_examples_of_an_epoch(work, self._sizes(work))
        num_steps = work.steps or num_steps_for_epochs(
            work.epochs or 1.0, num_examples=num_examples, batch_size=work.batch_size
        )
        return trunk_end(work.schedule, num_steps=num_steps) if stage.is_trunk else num_steps

    def _scoring_seconds(self, stage: Stage) -> float:
        work = stage.work
        if isinstance(work, EvaluationConfig):
            return self._compute(SCORING * len(work.languages) * NUM_DEV_PAIRS * work.max_length)
        if stage.is_trunk:
            return 0.0
        tokens = sum(self._tokens(work, name) for name in phase_tasks(work))
        return self._compute(SCORING * work.num_dev_items * tokens)

    def _compute(self, operations_per_parameter: float) -> float:
        return operations_per_parameter * NUM_OUTSIDE_EMBEDDINGS / (PEAK * self._utilisation * self.gpus_per_trial)

    def _sizes(self, work: PhaseConfig) -> dict[str, int]:
        return {name: num_examples(self._specs[name]) for name in phase_tasks(work)}

    def _tokens(self, work: PhaseConfig, name: str) -> int:
        """Return the tokens of an example of a task: each choice is a text, each image comes on top."""
        spec = self._specs[name]
        return work.max_length * num_texts(spec) + IMAGE_TOKENS * len(spec.image_columns)


class MeasuredCosts(CostModel):
    """The same with the seconds of stages that were timed: the forecast of `xstilts search --dry-run`.

    Args:
        provenance: Holds the tasks' specifications.
        gpus_per_trial: GPUs that share each step, without loss.
        times: Times by tokens, of trials with this encoder.
        source: Where they were measured.
    """

    def __init__(self, provenance: Provenance, *, gpus_per_trial: int, times: MeasuredTimes, source: str) -> None:
        super().__init__(provenance, gpus_per_trial=gpus_per_trial, utilisation=1.0)
        self._times, self._source = times, source
        self._not_timed: set[str] = set()

    def know(self, plans: Mapping[int, Plan]) -> None:
        """Register the stages that will be queried, and which of their tasks were not timed."""
        super().know(plans)
        stages = (stage for plan in plans.values() for stages in plan for stage in stages)
        self._not_timed.update(self._times.tasks_not_timed(stages))

    def overhead_seconds(self, stage: Stage) -> float:
        """Return the time of a stage outside of its steps, which includes the scores of a trained phase."""
        return 0.0 if isinstance(stage.work, EvaluationConfig) else self._times.overhead_seconds(stage)

    def training_seconds(self, stage: Stage) -> float:
        """Return the time of its steps alone."""
        if isinstance(stage.work, EvaluationConfig):
            return 0.0
        return self._times.training_seconds(stage, steps=self.steps(stage))

    def assumptions(self) -> list[str]:
        """Return what the times come from, one line each."""
        lines = [f"cost      {self._times.in_words()}, in {self._source};"]
        if self._not_timed:
            lines.append(
                f"          not timed, so as long as the mean of the others: {', '.join(sorted(self._not_timed))}"
            )
        return lines

    def _scoring_seconds(self, stage: Stage) -> float:
        return self._times.seconds(stage, steps=0) if isinstance(stage.work, EvaluationConfig) else 0.0


def num_examples(spec: TaskSpec) -> int:
    """Return the examples of a task's training split; a control's are its base's."""
    known = spec.num_train_examples or EXAMPLES_NOT_IN_THE_CATALOGUE.get(spec.name.split("@")[0])
    assert known is not None, f"the size of {spec.name} is not known"  # noqa: S101  (the list is ours)
    return known


def num_texts(spec: TaskSpec) -> int:
    """Return the texts that an example of a task is encoded as."""
    if spec.kind != "multiple_choice":
        return 1
    choices = spec.columns["choices"]
    num = len(choices) if isinstance(choices, tuple) else len(spec.label_values)
    assert num, f"the number of choices of {spec.name!r} is not known"  # noqa: S101  (the catalogue is ours)
    return num
