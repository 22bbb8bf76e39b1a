"""Secrets that a run may use and must not tell, and a search for them in all that it left."""

import io
from pathlib import Path

import pyarrow.parquet as pq

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA5T0RAGEKEY",
    "AWS_SECRET_ACCESS_KEY": "storage-secret-61d0",
    "AWS_SESSION_TOKEN": "session-token-7c2e",
    "AZURE_STORAGE_KEY": "azure-key-19af",
    "HTTPS_PROXY": "http://someone:proxy-word-c4b1@127.0.0.1:9",
    "PREFECT_API_KEY": "pnu_prefect-key-88f3",
    "SELFMEND_ANY_TOKEN": "token-e57a",
}
WORDS = tuple({*SECRETS.values(), "proxy-word-c4b1"})


def told_in(text: str, *more: str) -> list[str]:
    """The secrets that a text holds. more: others beside those of the environment."""
    return [word for word in (*WORDS, *more) if word in text]


def told_below(folder: Path, *more: str) -> dict[str, list[str]]:
    """The files below a folder that hold a secret, and which; tables are looked into, which pack what they hold."""
    found = {}
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        data = file.read_bytes()
        text = data.decode("latin-1")
        if file.suffix == ".parquet":
            table = pq.read_table(io.BytesIO(data))
            text += f"{table.schema.metadata} {table.to_pylist()}"
        if told := told_in(text, *more):
            found[str(file.relative_to(folder))] = told
    return found
