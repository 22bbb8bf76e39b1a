"""Which recipe is best for these data: several of them on the same tiles, ranked, in one table, picture and page."""
