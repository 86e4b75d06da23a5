"""MACs for new VMs: deterministic, in VMware's range, never one that is in use."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.placement.domain.macs import candidates, chosen, generated
from shared.events.placement import NicRequest

RESERVATION = UUID("6d8b7a5c-3f62-4cbb-a3c6-111111111111")
GENERATED = NicRequest()


@given(st.uuids(), st.integers(0, 9))
def test_generated_macs_are_in_the_static_range(reservation: UUID, index: int) -> None:
    for mac in generated(reservation, index):
        assert "00:50:56:00:00:00" <= mac <= "00:50:56:3f:ff:ff"


@given(st.uuids(), st.lists(st.sampled_from([GENERATED, NicRequest(mac="vcenter")]), min_size=1, max_size=10))
def test_the_same_reservation_gets_the_same_macs_all_different(
    reservation: UUID, nics: list[NicRequest]
) -> None:
    macs = chosen(reservation, nics, set())
    assert macs == chosen(reservation, nics, set())
    assert isinstance(macs, list)
    given_out = [mac for mac in macs if mac is not None]
    assert len(given_out) == len(set(given_out)) == sum(nic.mac == "generated" for nic in nics)


def test_one_in_use_is_passed_over() -> None:
    first, second, *_ = generated(RESERVATION, 0)
    assert chosen(RESERVATION, [GENERATED], set()) == [first]
    assert chosen(RESERVATION, [GENERATED], {first}) == [second]


def test_a_given_mac_is_kept_and_a_generated_one_gives_way() -> None:
    first, second, *_ = generated(RESERVATION, 0)
    nics = [GENERATED, NicRequest(mac=first)]
    assert chosen(RESERVATION, nics, set()) == [second, first]


def test_a_given_mac_in_use_or_asked_for_twice_is_named() -> None:
    nic = NicRequest(mac="00:50:56:01:02:03")
    assert chosen(RESERVATION, [nic], {"00:50:56:01:02:03"}) == (0, "00:50:56:01:02:03")
    assert chosen(RESERVATION, [nic, nic], set()) == (1, "00:50:56:01:02:03")


def test_candidates_are_all_that_may_be_chosen() -> None:
    nics = [GENERATED, NicRequest(mac="vcenter"), NicRequest(mac="00:50:56:01:02:03")]
    found = candidates(RESERVATION, nics)
    assert set(generated(RESERVATION, 0)) < set(found)
    assert "00:50:56:01:02:03" in found
