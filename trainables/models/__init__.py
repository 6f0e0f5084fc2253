"""Encoders, vision towers and heads, and their weights."""
