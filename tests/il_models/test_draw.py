"""Random streams: the right distributions, and the same numbers whatever the batch."""

import math

import torch

from il_models.draw import GOLDEN, Draw, mix

SEEDS = torch.tensor([0, 1, -5, 2**62])


def test_the_same_numbers_alone_and_in_a_batch() -> None:
    together = Draw(SEEDS)
    first, second = together.normal(3, 4), together.uniform(5)
    for tile in range(len(SEEDS)):
        alone = Draw(SEEDS[tile : tile + 1])
        assert torch.equal(alone.normal(3, 4)[0], first[tile])
        assert torch.equal(alone.uniform(5)[0], second[tile])


def test_take_goes_on_where_the_stream_was() -> None:
    draw = Draw(SEEDS)
    draw.normal(10)
    taken = draw.take(torch.tensor([3, 1]))
    assert torch.equal(taken.normal(7), draw.normal(7)[[3, 1]])


def test_a_taken_draw_does_not_move_the_others() -> None:
    draw, twin = Draw(SEEDS), Draw(SEEDS)
    draw.take(torch.tensor([0])).normal(3)
    assert torch.equal(draw.normal(3), twin.normal(3))


def test_one_seed_one_stream() -> None:
    draw = Draw(torch.tensor([4, 4, 5]))
    x = draw.uniform(100)
    assert torch.equal(x[0], x[1])
    assert not torch.equal(x[0], x[2])


def test_the_finaliser_is_that_of_splitmix64() -> None:
    """The first output of the published generator for seed 0."""
    assert int(mix(torch.tensor([GOLDEN]))) == 0xE220A8397B1DCDAF - 2**64


def test_known_numbers() -> None:
    """Frozen: with other numbers a retry would write other pixels."""
    draw = Draw(torch.tensor([42]))
    assert (draw.uniform(3) * 2**24).long().tolist() == [[10498816, 5609907, 14030621]]
    assert draw.integers(1000, 4).tolist() == [[359, 400, 891, 867]]


def test_many_calls() -> None:
    draw = Draw(SEEDS, calls=10**6)
    assert bool(draw.normal(4).isfinite().all())


def test_normal_numbers() -> None:
    x = Draw(torch.arange(4)).normal(50_000)
    assert float(x.mean(1).abs().max()) < 0.02
    assert float((x.std(1) - 1).abs().max()) < 0.02
    assert float(((x**4).mean(1) - 3).abs().max()) < 0.15
    assert bool(x.isfinite().all())
    assert float((torch.corrcoef(x) - torch.eye(4)).abs().max()) < 0.03


def test_neighbours_of_a_stream_and_of_calls_are_independent() -> None:
    draw = Draw(torch.tensor([9]))
    first, second = draw.normal(50_000)[0], draw.normal(50_000)[0]
    assert abs(float((first[1:] * first[:-1]).mean())) < 0.02
    assert abs(float((first * second).mean())) < 0.02


def test_uniform_numbers() -> None:
    x = Draw(torch.tensor([1])).uniform(50_000)
    assert 0 <= float(x.min()) < 0.001
    assert 0.999 < float(x.max()) < 1
    assert abs(float(x.mean()) - 0.5) < 0.01
    assert abs(float(x.var()) - 1 / 12) < 0.002


def test_signs_keep_and_integers() -> None:
    draw = Draw(torch.tensor([3]))
    signs = draw.signs(40_000)
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(signs.mean())) < 0.02
    assert abs(float(draw.keep(0.3, 40_000).float().mean()) - 0.3) < 0.01
    counts = torch.bincount(draw.integers(7, 70_000)[0], minlength=7)
    assert len(counts) == 7
    assert float((counts - 10_000).abs().max()) < 5 * math.sqrt(10_000)


def test_an_empty_draw() -> None:
    assert Draw(SEEDS).normal(0, 3).shape == (4, 0, 3)
