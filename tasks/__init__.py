"""Input and output of selfmend: catalogue, readers, plan, lots, stores, ledger, report. Plain functions."""
