"""The sampler that weighs expected improvement against the steps that are still to be taken."""
