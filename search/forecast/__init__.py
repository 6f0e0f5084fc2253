"""Forecasts the stages, hours and cost of a sweep before it starts (`--dry-run`)."""
