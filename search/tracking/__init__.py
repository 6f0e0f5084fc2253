"""Reports the events of a running sweep to trackers of experiments. A sink that fails or hangs harms no sweep."""
