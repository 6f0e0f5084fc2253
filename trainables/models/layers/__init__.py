"""Parts of a transformer that are computed in another way than in torch: faster, up to rounding the same."""
