"""All benchmarks, one after the other: python -m benchmarks [--quick]. Tables land in benchmarks/results."""

import subprocess
import sys

QUESTIONS = (
    "batch",
    "memory",
    "overhead",
    "incremental",
    "planned",
    "noise_estimate",
    "denoising",
    "from_scratch",
    "mixture",
    "risk",
    "meta_start",
    "planted_starts",
)


def main() -> None:
    """Ask every question."""
    failed = [
        name
        for name in QUESTIONS
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=False).returncode
    ]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
