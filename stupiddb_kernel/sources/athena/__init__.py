"""Athena as a source."""
