"""`patchbay contract`: the published contract as documents, and whether the code still keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from services.cli.contract_folder import GOLDEN, differing, read_schemas, strangers, wanted, write
from services.cli.instance import ended_well
from services.cli.outcome import Json, Refused, present
from shared.events.contract.compatibility import INSTEAD, Break
from shared.events.contract.files import SCHEMAS, broken
from shared.events.upcasts import UPCASTS

app = typer.Typer(
    no_args_is_help=True, help="The published contract: AsyncAPI document, JSON Schemas, a page per event."
)

Folder = Annotated[Path, typer.Argument(help="The folder with the documents; docs/reference in a checkout.")]
Examples = Annotated[Path, typer.Option(help="Folder with an example message per version, <type>.v<n>.json.")]


@app.command()
def export(folder: Folder, examples: Examples = GOLDEN, as_json: Json = False) -> None:
    """Write all documents; nothing at all if that would break a version published in the folder."""
    with ended_well(as_json=as_json):
        _refuse_breaks(folder)
        written = write(folder, wanted(examples))
    _tell(folder, written, [], as_json=as_json)


@app.command()
def check(folder: Folder, examples: Examples = GOLDEN, as_json: Json = False) -> None:
    """Say whether the documents are what the code makes of them, and what the code would break."""
    with ended_well(as_json=as_json):
        _refuse_breaks(folder)
        files = wanted(examples)
        if behind := [name for name in differing(folder, files) if name not in _lifted()]:
            raise Refused(
                f"{len(behind)} documents are behind the code: {', '.join(behind[:5])}"
                + (" …" if len(behind) > 5 else ""),
                hint=f"patchbay contract export {folder}",
                data={"behind": behind},
            )
    present(
        {"behind": []}, lambda: Text(f"{len(files)} documents are as the code makes them"), as_json=as_json
    )


@app.command()
def accept(folder: Folder, examples: Examples = GOLDEN, as_json: Json = False) -> None:
    """Take the shapes of now as published, breaks included: only for versions that no release has."""
    with ended_well(as_json=as_json):
        files = wanted(examples)
        dropped = [name for name in strangers(folder, files) if name not in _lifted()]
        written = write(folder, files)
        for name in dropped:
            (folder / name).unlink()
    _tell(folder, written, dropped, as_json=as_json)


def _refuse_breaks(folder: Path) -> None:
    """Raises `Refused` naming each field of a published version that somebody would miss."""
    found = broken(read_schemas(folder))
    if found:
        lines = [f"{name}: {one}" for name, several in found.items() for one in several]
        raise Refused("\n".join(lines), hint=INSTEAD, data={"breaks": _plain(found)})


def _plain(found: dict[str, list[Break]]) -> dict[str, list[dict[str, str]]]:
    return {name: [one._asdict() for one in several] for name, several in found.items()}


def _lifted() -> set[str]:
    return {f"{SCHEMAS}/{name}.v{version}.json" for name, version in UPCASTS}


def _tell(folder: Path, written: list[str], dropped: list[str], *, as_json: bool) -> None:
    said = f"{len(written)} documents written to {folder}" if written else f"{folder} is up to date"
    if dropped:
        said += f", {len(dropped)} removed"
    present({"written": written, "removed": dropped}, lambda: Text(said), as_json=as_json)
