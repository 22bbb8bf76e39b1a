"""Facts: what is true of collections. data_catalog.yaml, and the inputs that its sources stand for."""
