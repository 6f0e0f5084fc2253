"""Confirming what a sweep found: the best configurations and the baseline again with fresh seeds, then the locked test
split, once. Nothing else in `search` may read that split.
"""
