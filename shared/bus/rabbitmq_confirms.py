"""Which published messages the broker has confirmed: pure bookkeeping of delivery tags, in windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

_ACKED, _NACKED = 1, 2


class Window:
    """Messages that were written in one go, tagged from `first` on. `settled` is called once all are."""

    def __init__(self, first: int, count: int, settled: Callable[[tuple[int, ...]], None]) -> None:
        """`settled` gets the places, from 0, of those that the broker refused."""
        self.first = first
        self.last = first + count - 1
        self._settled = settled
        self._state = bytearray(count)
        self._open = count
        self._low = 0
        """Before this place nothing is open."""

    @property
    def is_open(self) -> bool:
        return self._open > 0

    def settle(self, tag: int, *, multiple: bool, refused: bool) -> None:
        """Note the broker's word on `tag`, or on all up to it. What was settled before stays as it was."""
        place = min(tag, self.last) - self.first
        places = range(self._low, place + 1) if multiple else range(place, place + 1)
        for each in places:
            if not self._state[each]:
                self._state[each] = _NACKED if refused else _ACKED
                self._open -= 1
        if multiple:
            self._low = max(self._low, place + 1)
        if len(places) > 0 and not self._open:
            self._settled(tuple(self._refused()))

    def _refused(self) -> Iterator[int]:
        place = self._state.find(_NACKED)
        while place >= 0:
            yield place
            place = self._state.find(_NACKED, place + 1)


class Confirms:
    """The windows of one channel that are not settled, in the order of their tags."""

    def __init__(self) -> None:
        self._windows: deque[Window] = deque()
        self._next = 1

    def open(self, count: int, settled: Callable[[tuple[int, ...]], None]) -> Window:
        """A window for the next `count` messages. The broker counts as well: write them next, or `undo`."""
        window = Window(self._next, count, settled)
        self._next += count
        self._windows.append(window)
        return window

    def undo(self, window: Window) -> None:
        """The messages of the window that was opened last were not written after all."""
        if not self._windows or self._windows[-1] is not window:
            raise ValueError("only the last window can be undone")
        self._windows.pop()
        self._next = window.first

    def settle(self, tag: int, *, multiple: bool, refused: bool) -> bool:
        """Take in a confirm. False when the tag was never given out."""
        if not 0 < tag < self._next:
            return False
        for window in self._windows:
            if window.first > tag:
                break
            if multiple or tag <= window.last:
                window.settle(tag, multiple=multiple, refused=refused)
        while self._windows and not self._windows[0].is_open:
            self._windows.popleft()
        return True
