"""Predictions on a task's items, and their scores."""
