"""Families of encoders: what differs between the architectures that xstilts trains. One file for each family."""
