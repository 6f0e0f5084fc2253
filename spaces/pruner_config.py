"""The pruner of a sweep spec: which trials are promoted to the next rung."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from trainables.config import FrozenModel

_NEWER = ("patience", "p_threshold", "keep_per_family")
_FIELDS_OF_PRUNERS = {"num_startup": "median", "patience": "patient", "p_threshold": "wilcoxon"}


class PrunerConfig(FrozenModel):
    """Which trials are promoted to the next rung."""

    name: Literal["successive_halving", "hyperband", "median", "patient", "wilcoxon", "none"] = "successive_halving"
    """`successive_halving`: the best 1/eta of the trials at the rung (arXiv 1810.05934); `hyperband`: the same in
    brackets that start at later rungs (arXiv 1603.06560); `median`: the better half; `patient`: successive halving of
    trials below their own best; `wilcoxon`: all that are not worse than the best there, over paired items."""
    num_startup: int = Field(default=5, ge=1, lt=2**31)
    """Finished trials before `median` ends one. `median` only."""
    patience: int = Field(default=1, ge=1, lt=2**31)
    """Rungs that a score can stay below its best before `patient` ends a trial. `patient` only."""
    p_threshold: float = Field(default=0.1, gt=0, lt=1)
    """Largest p-value at which `wilcoxon` ends a trial. `wilcoxon` only."""
    keep_per_family: int = Field(default=0, ge=0, lt=2**31)
    """Trials of each family that are promoted to the last rung, whatever the other families score; until then a trial
    is compared within its family. `xstilts search` sets 1 in a new sweep whose spec does not name it; 0: none."""

    @model_serializer(mode="wrap")
    def _without_new_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        """Leave out newer fields at their defaults, so that older sweeps on record have the same spec."""
        fields: dict[str, JsonValue] = handler(self)
        later = {name: type(self).model_fields[name].default for name in _NEWER}
        return {name: value for name, value in fields.items() if name not in later or value != later[name]}

    @model_validator(mode="after")
    def _every_field_has_an_effect(self) -> Self:
        for field, owner in _FIELDS_OF_PRUNERS.items():
            if self.name != owner and getattr(self, field) != type(self).model_fields[field].default:
                msg = f"{field} has no effect on pruner {self.name!r}; remove it, or set name: {owner}"
                raise ValueError(msg)
        if self.name == "none" and self.keep_per_family:
            msg = "keep_per_family has no effect on pruner 'none', which promotes every trial; remove it"
            raise ValueError(msg)
        return self
