"""Describes sets of trials: parameters, the conditional tree, mixtures, binding to a TrialConfig."""
