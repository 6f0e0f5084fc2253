"""What a trial is made of: its phases, stages, keys, schedules and mixtures."""
