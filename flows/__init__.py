"""The order in which things happen: Prefect flows and the command line."""
