"""The training of one phase."""
