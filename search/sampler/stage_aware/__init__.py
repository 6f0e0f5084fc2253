"""The stage-aware sampler: expected improvement per optimiser step that is still to be trained."""
