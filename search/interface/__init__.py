"""What users ask for, from the command line or from Python: sweeps, single trials, and results to look at."""
