"""Rows: views where rows lie side by side, sums in the order of their parts, and nobody else's rows written to."""

import torch

from zoo.networks.engine.rows import Row, added, rows_of, view_of


def made(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_rows_that_follow_one_another_are_a_view() -> None:
    base = made(5, 2, 3, 4)
    rows = rows_of(base, fresh=True)
    found = view_of(rows[1:4])
    assert found is not None
    assert found.data_ptr() == base[1].data_ptr()
    assert view_of([rows[1], rows[3]]) is None
    assert view_of([rows[2], rows[1]]) is None
    assert view_of([rows[1], Row(made(5, 2, 3, 4), 2, fresh=True)]) is None


def test_sums_are_those_of_the_parts_in_order_whatever_lies_where() -> None:
    first, second, third = (made(3, 2, 3, 4, seed=seed) for seed in range(3))
    for fresh in (False, True):
        parts = [[Row(one.clone(), place, fresh) for one in (first, second, third)[: place + 1]] for place in range(3)]
        found = added(parts)
        wanted = [first[0], first[1] + second[1], first[2] + second[2] + third[2]]
        assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_what_others_hold_is_left_as_it_is() -> None:
    shared, ours = made(2, 2, 3, 4), made(2, 2, 3, 4, seed=1)
    kept = shared.clone()
    parts = list(zip(rows_of(shared, fresh=False), rows_of(ours, fresh=True), strict=True))
    whole, ragged = added(parts), added([[parts[0][0]], list(parts[1])])
    assert torch.equal(shared, kept)
    assert torch.equal(whole, shared + ours)
    assert torch.equal(ragged, torch.stack([shared[0], shared[1] + ours[1]]))


def test_what_nobody_else_holds_is_added_to_in_place() -> None:
    ours, more = made(2, 2, 3, 4), made(2, 2, 3, 4, seed=1)
    found = added(list(zip(rows_of(ours, fresh=True), rows_of(more, fresh=False), strict=True)))
    assert found.data_ptr() == ours.data_ptr()
