"""Builds a DeepSpeed engine for one phase, steps it, reads its weights, destroys it. Only it imports deepspeed."""

from trainables.engine.engine import Engine, EngineRequest
from trainables.engine.engine_cleanup import release_memory
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
