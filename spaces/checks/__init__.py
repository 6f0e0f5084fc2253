"""Checks of a spec before its sweep starts: refuses spaces with trials that cannot run or do not count."""
