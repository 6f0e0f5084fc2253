"""Checks of a trial's configuration before the trial starts."""
