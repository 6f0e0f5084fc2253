"""Runs a sweep on Ray Tune. The record holds the sweep's state; Tune only runs trials, and its state is temporary."""
