"""Converts labels, tags and answers to class numbers, and decides which rows are left out."""
