"""Views, property reads, filters and waits."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from services.simulator.inventory.entities import Entity
from services.simulator.methods.registry import Answer, Call, Xml, method
from services.simulator.soap.faults import Fault, invalid_argument, not_found
from services.simulator.soap.reader import Argument
from services.simulator.soap.values import Array, Value, refs
from services.simulator.soap.writer import any_element
from services.simulator.watching.collector import PropertyCollector
from services.simulator.watching.contents import missing_object, object_content
from services.simulator.watching.filters import PropertyFilter
from services.simulator.watching.selection import Spec, Watchable, parse_spec, selected
from services.simulator.watching.views import ContainerView, ListView, View


@dataclass(slots=True)
class _Reading:
    """The rest of a read that was cut into pages."""

    moid: str
    chosen: list[tuple[Spec, Watchable]]
    limit: int

    def close(self) -> None:
        """Nothing to give back."""


@method("CreateContainerView")
def create_container_view(call: Call) -> Value:
    container = call.directory.entity(call.arguments.ref("container"))
    types = call.arguments.texts("type")
    return ContainerView(
        call.world, call.session, container, types, call.arguments.flag("recursive") is True
    ).ref


@method("CreateListView")
def create_list_view(call: Call) -> Value:
    entities = [call.world.find(ref) for ref in call.arguments.refs("obj")]
    return ListView(call.world, call.session, entities).ref


@method("ModifyListView")
def modify_list_view(call: Call) -> Value:
    view = _view(call)
    if not isinstance(view, ListView):
        raise invalid_argument("_this", "not a list view")
    add, unresolved = [], []
    for ref in call.arguments.refs("add"):
        try:
            add.append(call.world.find(ref))
        except Fault:
            unresolved.append(ref)
    remove = [view.members[r.moid] for r in call.arguments.refs("remove") if r.moid in view.members]
    view.modify(add, remove)
    return refs(unresolved)


@method("ResetListView")
def reset_list_view(call: Call) -> Value:
    view = _view(call)
    if not isinstance(view, ListView):
        raise invalid_argument("_this", "not a list view")
    wanted = {ref.moid: call.world.find(ref) for ref in call.arguments.refs("obj")}
    view.modify(wanted.values(), [m for moid, m in view.members.items() if moid not in wanted])
    return refs([])


@method("DestroyView")
def destroy_view(call: Call) -> Value:
    _view(call).close()
    return None


def _view(call: Call) -> View:
    view = call.session.objects.get(call.target.moid)
    if not isinstance(view, View):
        raise not_found(call.target)
    return view


def collector_of(call: Call) -> PropertyCollector:
    """The collector a call is on: the session's default one is made at its first use."""
    found = call.session.objects.get(call.target.moid)
    if found is None and call.target.moid == "propertyCollector":
        found = PropertyCollector(call.world, call.session, "propertyCollector", call.settings.page_limit)
        call.session.objects[found.moid] = found
    if not isinstance(found, PropertyCollector):
        raise not_found(call.target)
    return found


@method("CreatePropertyCollector")
def create_property_collector(call: Call) -> Value:
    made = PropertyCollector(call.world, call.session, page_limit=call.settings.page_limit)
    call.session.objects[made.moid] = made
    return made.ref


@method("DestroyPropertyCollector")
def destroy_property_collector(call: Call) -> Value:
    collector_of(call).close()
    return None


@method("CreateFilter")
def create_filter(call: Call) -> Value:
    collector = collector_of(call)
    spec = _specs(call.arguments, "spec")[0]
    partial = call.arguments.flag("partialUpdates") is True
    made = PropertyFilter(call.directory, call.session, spec, partial=partial)
    collector.filters[made.moid] = made
    return made.ref


@method("DestroyPropertyFilter")
def destroy_property_filter(call: Call) -> Value:
    held = call.session.objects.get(call.target.moid)
    if not isinstance(held, PropertyFilter):
        raise not_found(call.target)
    held.close()
    for other in call.session.objects.values():
        if isinstance(other, PropertyCollector):
            other.filters.pop(held.moid, None)
    return None


@method("WaitForUpdatesEx")
async def wait_for_updates_ex(call: Call) -> Answer:
    options = call.arguments.child("options")
    seconds = options.number("maxWaitSeconds") if options else None
    objects = options.number("maxObjectUpdates") if options else None
    return await _waited(call, seconds, objects)


@method("WaitForUpdates")
async def wait_for_updates(call: Call) -> Answer:
    return await _waited(call, None, None)


@method("CheckForUpdates")
async def check_for_updates(call: Call) -> Answer:
    return await _waited(call, 0, None)


async def _waited(call: Call, seconds: int | None, objects: int | None) -> Answer:
    collector = collector_of(call)
    xml = await collector.wait(call.arguments.text("version") or "", seconds, objects)
    return Xml(xml) if xml is not None else None


@method("CancelWaitForUpdates")
def cancel_wait_for_updates(call: Call) -> Value:
    collector_of(call).cancel()
    return None


def _specs(arguments: Argument, name: str) -> list[Spec]:
    specs = [parse_spec(part) for part in arguments.children(name)]
    if not specs:
        raise invalid_argument(name)
    return specs


@method("RetrievePropertiesEx")
def retrieve_properties_ex(call: Call) -> Answer:
    options = call.arguments.child("options")
    limit = (options.number("maxObjects") if options else None) or call.settings.page_limit * 4
    chosen, missing = _chosen(call, _specs(call.arguments, "specSet"))
    return _result(call, _Reading(secrets.token_hex(8), chosen, limit), missing)


@method("ContinueRetrievePropertiesEx")
def continue_retrieve_properties_ex(call: Call) -> Answer:
    reading = call.session.objects.pop(call.arguments.text("token") or "", None)
    if not isinstance(reading, _Reading):
        raise invalid_argument("token")
    return _result(call, reading, "")


@method("CancelRetrievePropertiesEx")
def cancel_retrieve_properties_ex(call: Call) -> Value:
    call.session.objects.pop(call.arguments.text("token") or "", None)
    return None


@method("RetrieveProperties", needs_login=False)
def retrieve_properties(call: Call) -> Answer:
    chosen, _ = _chosen(call, _specs(call.arguments, "specSet"))
    return Xml("".join(_contents(call, chosen, "returnval")))


@method("Fetch", needs_login=False)
def fetch(call: Call) -> Answer:
    """One property of one object: what attribute access in client libraries becomes."""
    target = call.directory.find(call.target)
    if isinstance(target, Entity | View):
        _ = call.session
    mode = _mode(call)
    if mode in {"missing_set", "missing_properties", "empty_results"} and isinstance(target, Entity):
        return None
    value = call.directory.read(target, call.arguments.text("prop") or "")
    if mode == "empty_arrays" and isinstance(value, Array):
        value = Array(value.item, ())
    return Xml(any_element("returnval", value)) if value is not None else None


def _chosen(call: Call, specs: list[Spec]) -> tuple[list[tuple[Spec, Watchable]], str]:
    if _mode(call) == "empty_results":
        return [], ""
    chosen: list[tuple[Spec, Watchable]] = []
    lost: list[str] = []
    for spec in specs:
        found, missing = selected(spec, call.directory)
        chosen += [(spec, t) for t in found.values() if spec.paths_for(t, call.directory.names) is not None]
        lost += [missing_object(ref, fault) for ref, fault in missing]
    return chosen, "".join(lost)


def _contents(call: Call, chosen: list[tuple[Spec, Watchable]], tag: str) -> Iterator[str]:
    mode = _mode(call)
    directory = call.directory
    for spec, target in chosen:
        if isinstance(target, Entity | View):
            _ = call.session
        paths = spec.paths_for(target, directory.names) or ()
        yield object_content(directory, target, paths, mode, tag)


def _result(call: Call, reading: _Reading, missing: str) -> Answer:
    page, rest = reading.chosen[: reading.limit], reading.chosen[reading.limit :]
    if not page and not missing:
        return None
    token = ""
    if rest:
        following = _Reading(secrets.token_hex(8), rest, reading.limit)
        call.session.objects[following.moid] = following
        token = f"<token>{following.moid}</token>"
    inner = "".join(_contents(call, page, "objects"))
    return Xml(f"<returnval>{token}{inner}{missing}</returnval>")


def _mode(call: Call) -> str | None:
    return call.world.sight(call.session_or_none)[0] if call.session_or_none else None
