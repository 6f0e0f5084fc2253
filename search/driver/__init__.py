"""Runs a sweep on Ray Tune. The record is the truth; Tune is the muscle and its state is scratch."""
