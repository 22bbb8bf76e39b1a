"""No secret in a URI: it would stand in logs, reports, tables and in the metadata of every image that comes of it."""

import re
from urllib.parse import parse_qsl, urlsplit

from tasks.errors import RequestError

NAMES = re.compile(r"(?i)(^|[-_.])(token|sig|signature|secret|password|passwd|credential|key|apikey)$|^awsaccesskeyid$")
_URI = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


def require_no_secret(uri: str) -> None:
    """Refuse a URI that carries a password, a signature or a token.

    Raises:
        RequestError: it does; the message does not repeat it.
    """
    for part in uri.split("::"):
        if not _URI.match(part):
            continue
        try:
            found = urlsplit(part)
            named = [name for name, value in parse_qsl(found.query) if value and NAMES.search(name)]
            has_password = bool(found.password)
        except ValueError:
            continue  # no URI after all; whoever opens it says so
        if has_password or named:
            what = "a password" if has_password else f"'{named[0]}'"
            raise RequestError(
                f"The URI at {found.scheme}://{found.hostname or ''} carries {what}, which would stand in every log, "
                "report and image that comes of it; give it by the environment or the files of the library that opens "
                "it, such as AWS_SECRET_ACCESS_KEY."
            )
