"""Trains one phase: steps, checkpoints and training state."""
