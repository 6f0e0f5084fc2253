"""Confirms a sweep: trains its best configurations and the baseline with fresh seeds, then scores the test split once.

No other package of `search` reads the test split.
"""
