"""Who is best, from rows alone."""

from typing import Any

import pytest

from tasks.comparison.ranking import ranking, ranks_by


def row(recipe: str, place: int = 0, part: str = "alone", **figures: Any) -> dict[str, Any]:
    """A row of a trial; what is not said is unknown."""
    return {"recipe": recipe, "part": part, "input": "a", "place": place, "status": "budget", **figures}


def order(rows: list[dict[str, Any]]) -> list[str]:
    return [each.recipe for each in ranking(rows)]


def test_with_a_reference_the_true_psnr_decides_and_not_the_estimated() -> None:
    rows = [row("one", psnr=30.0, risk_psnr=20.0), row("two", psnr=29.0, risk_psnr=40.0)]
    assert ranks_by(rows) == "psnr"
    assert order(rows) == ["one", "two"]


def test_equal_psnr_is_decided_by_ssim() -> None:
    assert order([row("one", psnr=30.0, ssim=0.8), row("two", psnr=30.0, ssim=0.9)]) == ["two", "one"]


def test_without_a_reference_the_estimated_risk_decides() -> None:
    rows = [row("one", risk_psnr=30.0, skill=5.0), row("two", risk_psnr=31.0, skill=0.0)]
    assert ranks_by(rows) == "risk_psnr"
    assert order(rows) == ["two", "one"]


@pytest.mark.parametrize("flaw", [{"residual_correlation": 0.4}, {"residual_ratio": 0.3}, {"residual_ratio": 1.4}])
def test_an_estimate_is_not_believed_where_the_residual_is_unlike_the_noise(flaw: dict[str, float]) -> None:
    assert order([row("one", risk_psnr=40.0, **flaw), row("two", risk_psnr=30.0)]) == ["two", "one"]
    assert order([row("one", psnr=40.0, **flaw), row("two", psnr=30.0)]) == ["one", "two"]


def test_only_places_that_all_have_count() -> None:
    rows = [row("one", 0, psnr=30.0), row("one", 1, psnr=10.0), row("two", 0, psnr=29.0)]
    first, second = ranking(rows)
    assert (first.recipe, first.psnr, first.places) == ("one", 30.0, 1)
    assert second.behind == pytest.approx(1.0)


def test_differences_are_paired() -> None:
    rows = [row("one", place, psnr=20.0 + 9 * place) for place in range(4)]
    rows += [row("two", place, psnr=19.5 + 9 * place) for place in range(4)]
    _, second = ranking(rows)
    assert second.behind == pytest.approx(0.5)
    assert second.behind_error == pytest.approx(0.0, abs=1e-6)
    assert (ranking(rows)[0].wins, second.wins) == (4, 0)


def test_parts_of_one_recipe_are_ranked_apart() -> None:
    found = ranking([row("one", psnr=30.0), row("one", part="mixed", psnr=31.0)])
    assert [(each.part, each.rank) for each in found] == [("mixed", 1), ("alone", 2)]


def test_who_could_not_comes_last_with_the_reason() -> None:
    rows = [{**row("one", -1), "status": "error", "stop_reason": "no such thing"}, row("two", psnr=1.0)]
    *_, last = ranking(rows)
    assert (last.recipe, last.rank, last.reason) == ("one", None, "no such thing")
    assert ranking(rows[:1])[0].rank is None


def test_failed_places_are_counted() -> None:
    rows = [row("one", 0, psnr=9.0) | {"status": "diverged"}, row("one", 1, psnr=30.0)]
    assert ranking(rows)[0].failed == 1
