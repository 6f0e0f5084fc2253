"""The files of a pretrained checkpoint, checked without loading them: no torch, no transformers."""
