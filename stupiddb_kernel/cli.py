"""``stupiddb …``: every command is one call on a session."""
