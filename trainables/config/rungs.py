"""Configuration of rungs: a trial is trained with short phases first, and with longer ones if it is promoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self  # Any: fields of a phase, which pydantic has checked

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from trainables.config.frozen import FrozenModel

if TYPE_CHECKING:
    from trainables.config.evaluation import EvaluationConfig
    from trainables.config.further import FurtherTarget
    from trainables.config.phases import PhaseConfig
    from trainables.config.trial import TrialConfig

GrowingPhase = Literal["pretraining", "intermediate", "target"]
"""A phase that can be longer at a higher rung."""


class RungsConfig(FrozenModel):
    """The rungs of a trial. At each rung, the growing phases are `eta` times as long as at the rung below."""

    num: int = Field(default=1, ge=1, le=10)
    """Number of rungs; at the last one, all phases have the length that the configuration gives."""
    eta: int = Field(default=3, ge=2, le=16)
    """Factor between two rungs (Jamieson and Talwalkar 2016, arXiv 1502.07943: 3 or 4)."""
    grow: tuple[GrowingPhase, ...] = Field(default=("target",), min_length=1, strict=False)
    """Phases that grow; the others have their full length at every rung."""
    num_items: int | None = Field(default=None, ge=1, lt=2**31)
    """Evaluation items per language at rung 0; each rung has `eta` times as many. None: the same at every rung."""
    further: bool = False
    """Whether rungs below the last train and score the further targets too, as short as the target phase. A sweep whose
    objective is a benchmark's average sets it."""

    @model_serializer(mode="wrap")
    def _without_new_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a newer field that says nothing, so that older sweeps on record have the same spec."""
        fields: dict[str, Any] = handler(self)
        return fields if self.further else {name: value for name, value in fields.items() if name != "further"}

    @field_validator("grow")
    @classmethod
    def _distinct(cls, grow: tuple[GrowingPhase, ...]) -> tuple[GrowingPhase, ...]:
        if len(set(grow)) != len(grow):
            msg = f"a phase is listed twice in {', '.join(grow)}; list each phase once"
            raise ValueError(msg)
        return grow

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.num > 1:
            return self
        for name in ("eta", "grow", "num_items", "further"):
            if getattr(self, name) != type(self).model_fields[name].default:
                msg = f"{name} has no effect on a single rung; remove it, or set num: 2 or more"
                raise ValueError(msg)
        return self

    @property
    def last(self) -> int:
        """The highest rung."""
        return self.num - 1

    def share(self, rung: int) -> float:
        """Return the length of a growing phase at a rung, as a share (0..1] of its full length."""
        return float(self.eta ** (rung - self.last))

    def at(self, rung: int, *, config: TrialConfig) -> TrialConfig:
        """Return a trial's configuration at a rung: below the last, shorter phases and fewer items.

        Further targets are left out below the last rung, unless `further` is set.

        Args:
            rung: From 0 to `last`.
            config: The trial at its last rung.
        """
        if rung == self.last:
            return config
        phases: dict[str, PhaseConfig] = {}
        for phase in self.grow:
            work: PhaseConfig | None = getattr(config, phase)
            if work is not None:
                phases[phase] = self._shortened(work, rung)
        evaluation = self._with_fewer_items(config.evaluation, rung)
        further = {name: self._further_at(rung, target) for name, target in config.further.items()}
        update = {**phases, "evaluation": evaluation, "further": further if self.further else {}}
        return config.model_copy(update=update)

    def _further_at(self, rung: int, target: FurtherTarget) -> FurtherTarget:
        works = tuple(self._shortened(work, rung) for work in target.target) if "target" in self.grow else target.target
        # Without training, candidates are searched: with fewer of them the score is another one, not a rougher one.
        evaluation = self._with_fewer_items(target.evaluation, rung) if works else target.evaluation
        return target.model_copy(update={"target": works, "evaluation": evaluation})

    def _shortened(self, work: PhaseConfig, rung: int) -> PhaseConfig:
        lengths: dict[str, Any] = self._shorter({"steps": work.steps, "epochs": work.epochs}, rung)
        if work.merge is not None:
            parts = {name: changes | self._shorter(changes, rung) for name, changes in work.merge.parts.items()}
            lengths["merge"] = work.merge.model_copy(update={"parts": parts})
        return work.model_copy(update=lengths)

    def _shorter(self, lengths: Mapping[str, Any], rung: int) -> dict[str, Any]:
        """Return the length of a phase at a rung, from the one of `steps` and `epochs` that is given."""
        if (steps := lengths.get("steps")) is not None:
            return {"steps": max(1, round(steps * self.share(rung)))}
        epochs = lengths.get("epochs")
        return {} if epochs is None else {"epochs": epochs * self.share(rung)}

    def _with_fewer_items(self, evaluation: EvaluationConfig, rung: int) -> EvaluationConfig:
        if self.num_items is None:
            return evaluation
        num_items = self.num_items * self.eta**rung
        if evaluation.num_items is not None:
            num_items = min(num_items, evaluation.num_items)
        return evaluation.model_copy(update={"num_items": num_items})
