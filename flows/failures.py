"""Every failure of a command as one sentence and a code."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape

from tasks.errors import InputError, RequestError

DONE, BAD, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130
UNREACHED = "Failed to reach API"  # how Prefect says that its server does not answer
console = Console(stderr=True)


def guarded(run: Callable[[], Any]) -> int:
    """Every failure as one sentence and a code: 1 finished badly, 2 wrong request, 130 interrupted."""
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
    return DONE


def told(sentence: str, code: int) -> int:
    """Say it to whoever stands at the command line; gives the code back."""
    console.print(f"[bold red]selfmend:[/] {escape(sentence)}", soft_wrap=True, highlight=False)
    return code
