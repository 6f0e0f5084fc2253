"""What the processes of `engine_ranks` import: their server does it once, and each of them is a fork of it."""

import importlib
import os

from trainables.engine.deepspeed_import import import_deepspeed

os.environ["DS_ACCELERATOR"] = "cpu"
import_deepspeed()
importlib.import_module("torch._dynamo")  # torch's optimisers import it when the first one is made
