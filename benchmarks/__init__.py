"""One question per file; answers as small tables with date, commit and machine in benchmarks/results."""
