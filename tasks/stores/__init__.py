"""Places and stores: bytes written whole and durably, shards of the work area, published images and their metadata."""
