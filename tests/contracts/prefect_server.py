"""What tests ask a Prefect server, over its REST interface."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any


def asked(server: dict[str, str], path: str, body: Any = None, method: str = "POST") -> Any:
    """What the server answers; one that is too busy (503) is asked again, as Prefect's own client does."""
    data = json.dumps(body or {}).encode() if method == "POST" else None
    request = urllib.request.Request(
        f"{server['PREFECT_API_URL']}/{path}", data, {"Content-Type": "application/json"}, method=method
    )
    for _ in range(30):
        try:
            answer = urllib.request.urlopen(request, timeout=60).read()
            return json.loads(answer) if answer else None
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(1)
    raise AssertionError(f"the server has no answer for {path}")


def awaited(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.5)
    return found
