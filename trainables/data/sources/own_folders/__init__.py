"""Reads data that a user has in a folder of their own, which an environment variable names."""
