"""The space itself: its tree, parameters and conditions, and the walk from an assignment to a trial."""
