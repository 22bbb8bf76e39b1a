"""Checks of an installation, one family per file; each gives findings, and none raises."""
