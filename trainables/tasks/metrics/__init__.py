"""Metrics that need more than a comparison of two labels."""
