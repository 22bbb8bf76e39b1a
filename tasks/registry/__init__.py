"""The registry of learned starts: immutable artifacts, their states, and the gate. `loading.load_start` gives one."""
