"""Tasks: what a labelled data set is, and one file for each kind of it."""
