"""Runs a search, records it, and answers questions about it: Ray Tune, Optuna, SQL, command line."""
