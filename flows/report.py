"""A finished run -> its report, written again."""

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from tasks.report.page import write_report
from tasks.stores.place import Place
from tasks.summary import require_summary


@flow(name="report", flow_run_name="report {folder}", persist_result=False)
def report(folder: str) -> str:
    """Write the report of a finished run again, from what lies beside its images.

    Args:
        folder: Folder or URI of the results of one collection, OUT/<collection>.

    Returns:
        URI of the page.

    Raises:
        RequestError: no run has finished there.
    """
    place = Place(folder)
    summary = require_summary(place)
    page = write_report(place, summary)
    create_markdown_artifact(key="report", markdown=f"{summary.sentence()}\n\n`{page}`", description=page)
    return page
