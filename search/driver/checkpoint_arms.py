"""Checks the pretrained checkpoints that only some trials of a sweep start from.

These are values of a searched choice that is not the default of any family, so the check of one trial of each family
does not see them.
"""

from __future__ import annotations

from spaces.space.tree import Space, every_setting
from trainables.checks.preflight import check_teacher_name, check_tower, check_trial
from trainables.config import TrialConfig

_ENCODER, _TOWER, _TEACHER = "encoder.name", "vision.tower", ".teacher"


def check_checkpoint_arms(space: Space, config: TrialConfig) -> None:
    """Check every encoder, vision tower and teacher that a trial of a space can use.

    Args:
        space: The space.
        config: One trial of it.

    Raises:
        InputError: An encoder, vision tower or teacher cannot be found or loaded.
    """
    settings = [setting for setting in every_setting(space.root) if isinstance(setting.value, str)]
    for setting in settings:
        if setting.field == _ENCODER and setting.value != config.encoder.name:
            encoder = config.encoder.model_copy(update={"name": setting.value})
            check_trial(config.model_copy(update={"encoder": encoder}))
        elif setting.field.endswith(_TOWER):
            check_tower(setting.field.removesuffix(f".{_TOWER}"), str(setting.value))
        elif setting.field.endswith(_TEACHER):
            check_teacher_name(str(setting.value))
