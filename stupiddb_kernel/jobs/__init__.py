"""Notebooks run unattended."""
