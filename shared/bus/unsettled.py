"""Which deliveries of a consumer are still to be settled. Pure; both adapters keep their books with it."""

from __future__ import annotations


class Unsettled:
    """Delivery tags handed out and not yet settled, in the order of delivery (tags only grow)."""

    def __init__(self) -> None:
        self._tags: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._tags)

    def __contains__(self, tag: int) -> bool:
        return tag in self._tags

    def add(self, tag: int) -> None:
        """A delivery went out. Raises ValueError when `tag` does not grow."""
        if self._tags and next(reversed(self._tags)) >= tag:
            raise ValueError(f"tag {tag} after {next(reversed(self._tags))}")
        self._tags[tag] = None

    def settle(self, tag: int) -> bool:
        """Settle one. False when it was settled before."""
        if tag not in self._tags:
            return False
        del self._tags[tag]
        return True

    def settle_upto(self, tag: int) -> list[int]:
        """Settle all up to and including `tag`; they are returned in order, without those settled before."""
        upto: list[int] = []
        for known in self._tags:
            if known > tag:
                break
            upto.append(known)
        for known in upto:
            del self._tags[known]
        return upto

    def clear(self) -> list[int]:
        """Forget all; returned in order."""
        left = list(self._tags)
        self._tags.clear()
        return left
