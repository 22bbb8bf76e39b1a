"""Learning a start: noise as instruments make it, and training on it. See DECISIONS.md."""
