"""Plans a trial: its phases, stages, keys, schedules and mixtures."""
