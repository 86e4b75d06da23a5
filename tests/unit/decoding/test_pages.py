"""Pages read ahead: order, bounds, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from services.collector.domain.changes import Page, Signs
from services.collector.domain.sight import SightLost
from services.collector.vsphere.pages import Pages, version_before_more
from tests.unit.decoding.test_oddities import NAMED, entered, update_set

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def body(version: str, *, more: bool) -> bytes:
    truncated = "<truncated>true</truncated>" if more else ""
    return update_set(entered(NAMED), truncated).replace(b"<version>7<", f"<version>{version}<".encode())


class Vcenter:
    """Answers with numbered pages of which the last says that there is no more."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.asked: list[str] = []
        self.broken_at: str | None = None
        self.busy = 0

    async def ask(self, version: str) -> bytes:
        self.asked.append(version)
        self.busy += 1
        try:
            await asyncio.sleep(0)
        finally:
            self.busy -= 1
        if version == self.broken_at:
            raise SightLost("unreachable", "gone")
        number = int(version or 0) + 1
        return body(str(number), more=number < self.last)

    async def decode(self, answer: bytes, received_at: datetime) -> Page:
        await asyncio.sleep(0)
        found = version_before_more(answer)
        version = found or str(self.last)
        return Page(version, found is not None, (), Signs(), received_at)


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_only_an_answer_that_is_not_all_has_a_version_to_ask_on_with() -> None:
    assert version_before_more(body("12", more=True)) == "12"
    assert version_before_more(body("12", more=False)) is None
    assert version_before_more(b"") is None
    assert version_before_more(body("12", more=True).replace(b"<returnval>", b"<returnval >")) is None


async def test_pages_come_in_order_and_each_is_asked_for_once() -> None:
    vcenter = Vcenter(last=20)
    pages = Pages(vcenter.ask, vcenter.decode)
    version, seen = "", []
    while True:
        page = await pages.next(version)
        assert page is not None
        seen.append(version := page.version)
        if not page.truncated:
            break
    assert seen == [str(number) for number in range(1, 21)]
    assert vcenter.asked == ["", *seen[:-1]]


async def test_the_next_page_is_on_its_way_while_this_one_is_decoded() -> None:
    vcenter = Vcenter(last=3)
    decoding, go_on = asyncio.Event(), asyncio.Event()

    async def decode(answer: bytes, received_at: datetime) -> Page:
        decoding.set()
        await go_on.wait()
        return await vcenter.decode(answer, received_at)

    pages = Pages(vcenter.ask, decode)
    first = asyncio.create_task(pages.next(""))
    await decoding.wait()
    await settled()
    assert vcenter.asked == ["", "1", "2"]
    go_on.set()
    assert (await first) is not None
    await pages.close()


@pytest.mark.parametrize("ahead", [1, 2, 5])
async def test_no_more_pages_wait_than_allowed(ahead: int) -> None:
    vcenter = Vcenter(last=50)
    pages = Pages(vcenter.ask, vcenter.decode, ahead=ahead)
    version = ""
    for taken in range(1, 20):
        page = await pages.next(version)
        assert page is not None
        version = page.version
        await settled()
        assert len(vcenter.asked) == taken + ahead
    await pages.close()


async def test_news_is_not_asked_for_ahead() -> None:
    """G2: the last page of an answer is acknowledged by whoever has it confirmed."""
    vcenter = Vcenter(last=1)
    pages = Pages(vcenter.ask, vcenter.decode)
    await pages.next("")
    await settled()
    assert vcenter.asked == [""]


async def test_a_failure_ahead_is_told_in_its_turn() -> None:
    vcenter = Vcenter(last=9)
    vcenter.broken_at = "2"
    pages = Pages(vcenter.ask, vcenter.decode)
    for version in ("", "1"):
        page = await pages.next(version)
        assert page is not None
        await settled()
    with pytest.raises(SightLost):
        await pages.next("2")
    assert vcenter.asked == ["", "1", "2"]
    await pages.close()


async def test_a_version_is_never_gone_back_to() -> None:
    """G2: the vCenter has forgotten what came before; only a new session begins anew."""
    vcenter = Vcenter(last=9)
    pages = Pages(vcenter.ask, vcenter.decode)
    await pages.next("")
    with pytest.raises(ValueError, match="came last"):
        await pages.next("")
    await pages.close()


async def test_closing_waits_for_nothing_and_leaves_nothing() -> None:
    vcenter = Vcenter(last=9)
    silence = asyncio.Event()

    async def ask(version: str) -> bytes:
        if version:
            await silence.wait()
        return await vcenter.ask(version)

    before = asyncio.all_tasks()
    pages = Pages(ask, vcenter.decode)
    await pages.next("")
    await settled()
    await pages.close()
    assert asyncio.all_tasks() == before
