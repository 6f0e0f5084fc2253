"""Checks the files of a pretrained checkpoint without loading them: no torch, no transformers."""
