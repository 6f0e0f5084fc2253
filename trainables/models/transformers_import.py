"""Imports transformers' models without scipy and accelerate, which they would import wherever these are installed.

scipy is for the losses of object detection. accelerate is for models that are spread over devices without DeepSpeed,
and imports the AWS SDK where that is installed. Both together are 0.5 s of each rank's start (transformers 5.23).
"""

from __future__ import annotations

import importlib

from trainables.left_out_imports import leaving_out


def import_transformers() -> None:
    """Import what all models need; a rank calls it before anything else of transformers is imported.

    transformers then believes for the life of the process that the two packages are not installed. Others still can
    import them: metrics use scipy, and peft uses accelerate.
    """
    with leaving_out("accelerate", "scipy"):
        importlib.import_module("transformers.modeling_utils")
