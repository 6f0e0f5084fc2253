"""Predicts a task's items, and scores the predictions."""
