"""What a new sweep's devices decide of its engine: precision, ZeRO stage, offloading."""
