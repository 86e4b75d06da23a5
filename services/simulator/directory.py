"""What one session can see: inventory, tasks, its own views and filters, and the service's own objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from services.simulator.inventory.container_properties import TREES
from services.simulator.inventory.entities import Entity
from services.simulator.inventory.tasks import TASK
from services.simulator.inventory.trees import AnyTree
from services.simulator.soap.faults import invalid_property, not_found
from services.simulator.soap.values import Array, Data, Ref, Value, refs, strings
from services.simulator.watching.selection import Watchable
from services.simulator.watching.views import View
from services.simulator.world.sessions import Session
from services.simulator.world.world import World

ALL_TREES: dict[str, AnyTree] = {**TREES, TASK.kind: TASK}
API_VERSION = "8.0.3.0"
INSTANCE_VERSION = "8.0.3"


class ServiceObject:
    """One of the singletons that ServiceContent names."""

    def __init__(self, kind: str, moid: str) -> None:
        self.kind = kind
        self.moid = moid

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.moid)

    def counts_as(self, kind: str) -> bool:
        """Whether the object is of the type with that wire name."""
        return kind in {self.kind, "ManagedObject"}


_SERVICES = {
    "propertyCollector": ServiceObject("PropertyCollector", "propertyCollector"),
    "viewManager": ServiceObject("ViewManager", "ViewManager"),
    "sessionManager": ServiceObject("SessionManager", "SessionManager"),
    "authorizationManager": ServiceObject("AuthorizationManager", "AuthorizationManager"),
    "taskManager": ServiceObject("TaskManager", "TaskManager"),
    "searchIndex": ServiceObject("SearchIndex", "SearchIndex"),
}
_INSTANCE = ServiceObject("ServiceInstance", "ServiceInstance")
_BY_ID = {service.moid: service for service in (_INSTANCE, *_SERVICES.values())}


class Directory:
    """Finds and reads whatever a session may name. Without a session only the service's own objects."""

    def __init__(self, world: World, session: Session | None) -> None:
        self.world = world
        self.session = session

    def find(self, ref: Ref) -> Watchable:
        """The object behind a reference. Raises ManagedObjectNotFound."""
        if self.session is not None and ref.moid in self.session.objects:
            found = self.session.objects[ref.moid]
            if isinstance(found, View):
                return found
            return ServiceObject(ref.type, ref.moid)
        service = _BY_ID.get(ref.moid)
        if service is not None and service.kind == ref.type:
            return service
        return self.world.find(ref)

    def entity(self, ref: Ref | None) -> Entity:
        """An inventory object. Raises ManagedObjectNotFound."""
        if ref is None:
            raise not_found(Ref("ManagedEntity", ""))
        return self.world.find(ref)

    def read(self, target: Watchable, path: str) -> Value:
        """The value at `path`. Raises InvalidProperty."""
        if isinstance(target, Entity):
            return ALL_TREES[target.kind].getter(path)(target)
        if isinstance(target, View):
            return target.property(path)
        return self._service_value(target.kind, path)

    def getter(self, target: Watchable, path: str) -> Callable[[Watchable], Value]:
        """`read` with the path resolved beforehand, for many objects of one kind."""
        if isinstance(target, Entity):
            return ALL_TREES[target.kind].getter(path)
        return lambda other: self.read(other, path)

    def names(self, kind: str) -> Iterable[str]:
        """The top-level properties of a type that the simulator sets."""
        if kind in ALL_TREES:
            return ALL_TREES[kind].names()
        if kind in {"ContainerView", "ListView"}:
            return ("view",)
        return self._service_fields(kind)

    def _service_value(self, kind: str, path: str) -> Value:
        first, *rest = path.split(".")
        field = self._service_fields(kind).get(first)
        if field is None:
            raise invalid_property(path)
        value = field()
        for part in rest:
            value = value.fields.get(part) if isinstance(value, Data) else None
        return value

    def _service_fields(self, kind: str) -> Mapping[str, Callable[[], Value]]:
        session = self.session
        if kind == "ServiceInstance":
            return {
                "content": self.content,
                "serverClock": self.world.now,
                "capability": lambda: Data("Capability", provisioningSupported=True, multiHostSupported=True),
            }
        if kind == "SessionManager":
            return {
                "currentSession": lambda: session.described() if session else None,
                "sessionList": lambda: Array(
                    "UserSession", [other.described() for other in self.world.sessions.values()]
                ),
                "defaultLocale": lambda: "en",
                "supportedLocaleList": lambda: strings(["en"]),
            }
        if kind == "TaskManager":
            return {
                "recentTask": lambda: refs([task.ref for task in self.world.of_kind("Task")]),
                "maxCollector": lambda: 32,
            }
        return {"value": lambda: None}

    def content(self) -> Data:
        """The ServiceContent."""
        return Data(
            "ServiceContent",
            rootFolder=self.world.root.ref,
            about=self.about(),
            **{name: service.ref for name, service in _SERVICES.items()},
        )

    def about(self) -> Data:
        """Which product this pretends to be; the instance UUID tells one vCenter from another."""
        return Data(
            "AboutInfo",
            name="VMware vCenter Server",
            fullName=f"VMware vCenter Server {INSTANCE_VERSION} build-24022515 (simulated)",
            vendor="VMware, Inc.",
            version=INSTANCE_VERSION,
            build="24022515",
            localeVersion="INTL",
            localeBuild="000",
            osType="linux-x64",
            productLineId="vpx",
            apiType="VirtualCenter",
            apiVersion=API_VERSION,
            instanceUuid=self.world.instance_uuid,
            licenseProductName="VMware VirtualCenter Server",
            licenseProductVersion="8.0",
        )
