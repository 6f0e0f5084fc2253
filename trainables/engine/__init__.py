"""The only door to DeepSpeed: builds an engine for one phase, steps it, takes its weights out, destroys it."""

from trainables.engine.engine import Engine, EngineRequest
from trainables.engine.freeing import release_memory
from trainables.engine.optimizer_state import MOMENTS, OptimizerState
from trainables.engine.process_group import ProcessGroupConfig, join_process_group, leave_process_group
from trainables.engine.turns import in_turns, meet

__all__ = [
    "MOMENTS",
    "Engine",
    "EngineRequest",
    "OptimizerState",
    "ProcessGroupConfig",
    "in_turns",
    "join_process_group",
    "leave_process_group",
    "meet",
    "release_memory",
]
