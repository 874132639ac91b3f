"""MySQL as a source."""
