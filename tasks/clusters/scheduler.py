"""A Dask scheduler that runs already: whoever started it answers for its workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tasks.clusters._cluster import Cluster, Unavailable
from tasks.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client

CONNECT = 20  # seconds


class Scheduler(Cluster):
    """A running scheduler by its address."""

    summary: ClassVar[str] = "a Dask scheduler that runs already"

    kind: Literal["scheduler"] = "scheduler"
    address: str = Field(description="Such as tcp://host:8786, or tls://host:8786.", pattern=r"^[a-z]+://.+")

    def expected(self, workers: int | None = None) -> None:
        """Only it knows."""

    @contextmanager
    def client(self, workers: int | None = None) -> Iterator["Client"]:
        """Connect, and leave with the context; the scheduler lives on.

        Raises:
            Unavailable: it does not answer.
            RequestError: a number of workers is asked for.
        """
        from distributed import Client

        if workers is not None:
            raise RequestError(
                f"--workers {workers} cannot change the workers of the running scheduler {self.address}; leave it out, "
                "or start more there."
            )
        try:
            client = Client(self.address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"No Dask scheduler answers at {self.address} ({error}); start one or leave --cluster out."
            ) from None
        with client:
            yield client

    def told(self) -> str:
        """In a sentence."""
        return f"the scheduler at {self.address}, with the workers that it has"
