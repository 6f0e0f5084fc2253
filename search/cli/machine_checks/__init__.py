"""The checks that `xstilts doctor` makes of a machine."""
