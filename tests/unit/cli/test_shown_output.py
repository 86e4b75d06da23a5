"""What a page shows of a command's output, compared with what is printed: a page that drifted is found."""

from __future__ import annotations

from tests.end_to_end.pages import Step, agrees, blocks, exports, renewed, rewritten

PAGE = """Set it:

    not a command

```sh
export PATCHBAY_DATA_DIR=~/folder
```

```console
$ patchbay run
$ patchbay vm list
vm    seen
───────────────────
web   2026-11-20 14:06:39
```
"""


def test_blocks_hold_commands_and_what_they_print() -> None:
    run, listed = blocks(PAGE)[0]
    assert run == Step("patchbay run")
    assert listed == Step("patchbay vm list", ["vm    seen", "─" * 19, "web   2026-11-20 14:06:39"])
    assert exports(PAGE) == {"PATCHBAY_DATA_DIR": "~/folder"}
    assert rewritten(PAGE, blocks(PAGE)) == PAGE


def test_times_ids_ages_and_widths_may_differ() -> None:
    shown = [
        "since 2026-11-20 14:06:39",
        "id 7af027bc-08d6-4f57-9a71-144896c8da19",
        "lab as it was 3 s ago",
        "───",
    ]
    printed = [
        "since   2027-01-02 04:00:00",
        "id 00000000-08d6-4f57-9a71-144896c8da19",
        "lab as it was 12 s ago",
        "─",
    ]
    assert agrees(shown, printed)
    assert agrees(
        ["    785 2026-11-20 13:44:31 nic.created  web"], ["  12785 2026-11-20 13:44:32 nic.created  web"]
    )


def test_anything_else_is_drift() -> None:
    assert not agrees(["10 VMs"], ["11 VMs"])
    assert not agrees(["mac 00:50:56:81:00:03"], ["mac 00:50:56:81:00:04"])
    assert not agrees(["a", "b"], ["a"])
    assert not agrees([], ["Traceback"])


def test_what_is_left_out_may_be_anything_but_the_rest_may_not() -> None:
    assert agrees(["a", "…", "z"], ["a", "b", "c", "z"])
    assert agrees(["a", "…"], ["a"])
    assert agrees(["a", "…", "m", "…", "z"], ["a", "b", "m", "z"])
    assert not agrees(["a", "…", "m", "…", "z"], ["a", "m", "q"])
    assert not agrees(["a", "…", "z"], ["a", "b"])
    assert not agrees(["a", "…", "a"], ["a"])


def test_a_page_is_renewed_in_its_form() -> None:
    assert renewed(["a", "…", "z"], ["A", "b", "c", "Z"]) == ["A", "…", "Z"]
    assert renewed(["a", "…", "z"], ["A", "Z"]) == ["A", "Z"]
    assert renewed(["a"], ["A", "B"]) == ["A", "B"]
