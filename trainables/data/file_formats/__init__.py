"""How the bytes of a user's file become rows: what a file is, its text, its cells. No `datasets` here."""
