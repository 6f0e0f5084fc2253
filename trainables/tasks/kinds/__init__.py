"""How each kind of task is encoded, trained and scored."""
