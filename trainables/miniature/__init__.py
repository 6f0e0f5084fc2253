"""The miniature: generated scenes of coloured shapes, described in the 15 XNLI languages and drawn as images.

Everything is generated from seeds and needs no download. Its scores are scores on the miniature, never XNLI scores.
"""
