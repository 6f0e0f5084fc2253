"""What ranks report while they work: progress, and signs of life."""
