"""What is refused before a trial starts."""
