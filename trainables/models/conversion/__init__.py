"""Converts pickled weights to safetensors, once, in a process of its own."""
