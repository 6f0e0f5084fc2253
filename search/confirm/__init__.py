"""Confirming what a sweep found: its best configurations and the baseline with fresh seeds, then the test split, once.

Nothing else in `search` may read that split.
"""
