"""G8: how care shrinks what is held, and what that means for the innocent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.events.topology import DELIVERY_LIMIT
from shared.runtime.caution import ALONE, FEW, prefetch_for, size_for


@given(attempt=st.integers(1, 50), batch=st.integers(1, 5000))
def test_care_only_grows_with_attempts(attempt: int, batch: int) -> None:
    assert 1 <= size_for(attempt + 1, batch) <= size_for(attempt, batch) <= batch
    assert size_for(1, batch) == batch
    assert size_for(attempt + 2, batch) == ALONE


@given(attempt=st.integers(2, 50), batch=st.integers(1, 5000))
def test_with_care_no_more_is_held_than_is_handled(attempt: int, batch: int) -> None:
    size = size_for(attempt, batch)
    assert prefetch_for(size, batch) <= max(FEW, 2 if batch == 1 else 0)


@given(
    batch=st.integers(2, 400),
    count=st.integers(1, 1000),
    data=st.data(),
)
def test_g8_one_consumer_that_dies_again_and_again_condemns_the_guilty_alone(
    batch: int, count: int, data: st.DataObject
) -> None:
    """A model of the queue: what is held when the process dies goes back, and is counted."""
    guilty = frozenset(data.draw(st.lists(st.integers(0, count - 1), max_size=3)))
    returned = [0] * count
    queue = list(range(count))
    dead: set[int] = set()
    while queue:
        held = ALONE
        while queue:  # one life of the process
            inbox = queue[:held]
            together = size_for(1 + max(returned[number] for number in inbox[:batch]), batch)
            if guilty & set(inbox[: min(together, held)]):
                break
            queue = queue[min(together, held) :]
            held = prefetch_for(together, batch)
        for number in queue[:held]:
            returned[number] += 1
        dead |= {number for number in queue if returned[number] > DELIVERY_LIMIT}
        queue = [number for number in queue if number not in dead]
    assert dead == guilty
