"""Networks for ONE tile: ordinary modules that take (n, c, *s) and return (n, d, *s)."""
