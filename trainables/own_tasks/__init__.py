"""A user's task file, and the report that `xstilts tasks check` prints of it."""
