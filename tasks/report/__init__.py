"""report.html: one self-contained page that says which tiles to look at."""
