"""How much memory a process had at most."""

from pathlib import Path


def peak_megabytes() -> float:
    """Of this process since it was started, in MB; Linux.

    What `resource.getrusage` tells begins at the memory that the parent had when it made this process.
    """
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmHWM"].split()[0]) / 1024
