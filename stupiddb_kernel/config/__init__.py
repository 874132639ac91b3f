"""Settings: their shape, where they come from, the secrets they name."""
