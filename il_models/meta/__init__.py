"""Learning a start. Empty yet: see DECISIONS.md."""
