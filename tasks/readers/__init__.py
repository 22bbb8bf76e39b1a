"""Readers, one format per file: the folder is the registry."""
