"""The configuration of a trial. No torch here: it must load in milliseconds."""

from trainables.config.adapter import AdapterConfig
from trainables.config.auxiliary import BesideConfig, MaskedLmBeside
from trainables.config.combining import AverageConfig, MergeConfig
from trainables.config.evaluation import XNLI_LANGUAGES, EvaluationConfig
from trainables.config.frozen import FrozenModel, canonical_json, content_key
from trainables.config.further import FurtherTarget
from trainables.config.phases import PhaseConfig, ScheduleConfig, VisionConfig
from trainables.config.rungs import RungsConfig
from trainables.config.sampling import SamplingConfig
from trainables.config.trial import EncoderConfig, EngineConfig, TrialConfig

__all__ = [
    "XNLI_LANGUAGES",
    "AdapterConfig",
    "AverageConfig",
    "BesideConfig",
    "EncoderConfig",
    "EngineConfig",
    "EvaluationConfig",
    "FrozenModel",
    "FurtherTarget",
    "MaskedLmBeside",
    "MergeConfig",
    "PhaseConfig",
    "RungsConfig",
    "SamplingConfig",
    "ScheduleConfig",
    "TrialConfig",
    "VisionConfig",
    "canonical_json",
    "content_key",
]
