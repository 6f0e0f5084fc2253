"""The configuration of a trial. No torch here: it must load in milliseconds."""

from trainables.config.beside import BesideConfig, MaskedLmBeside
from trainables.config.evaluation import XNLI_LANGUAGES, EvaluationConfig
from trainables.config.frozen import FrozenModel, canonical_json, content_key
from trainables.config.further import FurtherTarget
from trainables.config.phases import PhaseConfig, ScheduleConfig, VisionConfig
from trainables.config.rungs import RungsConfig
from trainables.config.sampling import SamplingConfig
from trainables.config.trial import EncoderConfig, EngineConfig, TrialConfig

__all__ = [
    "XNLI_LANGUAGES",
    "BesideConfig",
    "EncoderConfig",
    "EngineConfig",
    "EvaluationConfig",
    "FrozenModel",
    "FurtherTarget",
    "MaskedLmBeside",
    "PhaseConfig",
    "RungsConfig",
    "SamplingConfig",
    "ScheduleConfig",
    "TrialConfig",
    "VisionConfig",
    "canonical_json",
    "content_key",
]
