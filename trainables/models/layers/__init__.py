"""Parts of a transformer that are computed in another way than in torch or transformers: faster, with the same result."""
