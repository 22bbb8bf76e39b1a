"""Learning a start from planes of pictures and collections."""
