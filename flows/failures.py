"""Every failure of a command as one sentence and a code."""

import os
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape

from tasks.errors import InputError, RequestError

DONE, BAD, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130
UNREACHED = "Failed to reach API"  # how Prefect says that its server does not answer
UNTOLD = (
    "Its pages may say that this run still goes on; that is not so. What is done is done, and `selfmend status` says "
    "how much; the same command goes on from there."
)
console = Console(stderr=True)


def leave(code: int) -> None:
    """End the process at once: Prefect would first wait, for minutes, to be rid of words that nobody hears."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def guarded(run: Callable[[], Any], leave: Callable[[int], None] = leave) -> int:
    """Every failure as one sentence and a code: 1 finished badly, 2 wrong request, 130 interrupted.

    Args:
        run: the command.
        leave: how the process ends where Prefect's server is gone.
    """
    try:
        run()
    except SystemExit as ended:
        return int(ended.code or 0)
    except (RequestError, InputError) as error:
        return told(str(error), WRONG_REQUEST)
    except KeyboardInterrupt:
        return INTERRUPTED
    except RuntimeError as error:
        if UNREACHED not in str(error):
            raise
        return told(f"{error}. Start that Prefect server, or unset PREFECT_API_URL for an embedded one.", WRONG_REQUEST)
    except ModuleNotFoundError as error:
        return told(f"{error}. Something that selfmend needs is not installed; `selfmend doctor` says what.", BAD)
    except OSError as error:
        where = f"'{error.filename}': " if error.filename else ""  # our own sentences name it themselves
        said = f"{where}{error.strerror or error}".rstrip(".")
        return told(f"{said}. After that is put right, the same command goes on from here.", BAD)
    except Exception as error:
        if not type(error).__module__.startswith("httpx"):  # whose import would cost every command its time
            raise
        leave(told(f"The Prefect server does not answer any more ({error}). {UNTOLD}", BAD))
        return BAD
    return DONE


def told(sentence: str, code: int) -> int:
    """Say it to whoever stands at the command line; gives the code back."""
    console.print(f"[bold red]selfmend:[/] {escape(sentence)}", soft_wrap=True, highlight=False)
    return code
