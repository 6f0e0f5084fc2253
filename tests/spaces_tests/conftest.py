"""Hypothesis without a deadline: these machines are shared, and a wall-clock limit would fail at random."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("shared_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared_machine")
