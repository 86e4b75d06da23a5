"""vSphere's faults as exceptions, and as XML.

Every fault a handler raises reaches the client as a SOAP fault; inside a task it becomes the task's error.
"""

from __future__ import annotations

from services.simulator.soap.values import Data, Enum, LocalizedFault, Ref, Value
from services.simulator.soap.writer import ENVELOPE_END, ENVELOPE_START, element, escape


class Fault(Exception):
    """A vim25 fault: the wire name of its type, a message, and the fields of the fault."""

    def __init__(self, type_: str, message: str, /, **fields: Value) -> None:
        super().__init__(message)
        self.type = type_
        self.message = message
        self.fields = fields

    def localized(self) -> LocalizedFault:
        """The fault as it stands inside an answer."""
        return LocalizedFault(Data(self.type, **self.fields), self.message)

    def envelope(self) -> str:
        """The fault as a whole SOAP answer (to be sent with HTTP status 500)."""
        inner = "".join(element(name, value) for name, value in self.fields.items())
        return (
            f"{ENVELOPE_START}<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
            f"<faultstring>{escape(self.message)}</faultstring><detail>"
            f'<{self.type}Fault xmlns="urn:vim25" xsi:type="{self.type}">{inner}</{self.type}Fault>'
            f"</detail></soapenv:Fault>{ENVELOPE_END}"
        )


def not_authenticated(target: Ref) -> Fault:
    """The session is not (or no longer) logged in."""
    return Fault(
        "NotAuthenticated", "The session is not authenticated.", object=target, privilegeId="System.View"
    )


def no_permission(target: Ref, privilege: str) -> Fault:
    """The user may not do this to `target`."""
    return Fault(
        "NoPermission",
        "Permission to perform this operation was denied.",
        object=target,
        privilegeId=privilege,
    )


def not_found(target: Ref) -> Fault:
    """`target` does not exist (any more)."""
    name = f"vim.{target.type}:{target.moid}"
    message = f"The object '{name}' has already been deleted or has not been completely created"
    return Fault("ManagedObjectNotFound", message, obj=target)


def invalid_property(path: str) -> Fault:
    """A property path that the type does not have."""
    return Fault("InvalidProperty", "", name=path)


def invalid_argument(parameter: str, why: str = "") -> Fault:
    """A parameter that is missing or makes no sense."""
    detail = f" ({why})" if why else ""
    message = f"A specified parameter was not correct: {parameter}{detail}"
    return Fault("InvalidArgument", message, invalidProperty=parameter)


def not_supported(what: str) -> Fault:
    """Something real vCenters do and the simulator does not; `what` names it."""
    return Fault("NotSupported", f"The simulator does not implement {what}.")


def invalid_power_state(requested: str | None, existing: str) -> Fault:
    """The VM's power state rules the operation out. States are the enumeration's words."""
    message = "The attempted operation cannot be performed in the current state (" + {
        "poweredOn": "Powered on",
        "poweredOff": "Powered off",
        "suspended": "Suspended",
    }.get(existing, existing)
    state = "VirtualMachinePowerState"
    return Fault(
        "InvalidPowerState",
        message + ").",
        requestedState=Enum(state, requested) if requested else None,
        existingState=Enum(state, existing),
    )


def invalid_state(message: str) -> Fault:
    """The object's state rules the operation out; `message` says which."""
    return Fault("InvalidState", message)


def duplicate_name(name: str, holder: Ref) -> Fault:
    """`holder` has that name already, in the same folder."""
    return Fault("DuplicateName", f"The name '{name}' already exists.", name=name, object=holder)


def invalid_name(name: str) -> Fault:
    """A name that is empty or too long."""
    return Fault("InvalidName", f"The name '{name}' is not valid.", name=name)


def resource_in_use(kind: str, name: str) -> Fault:
    """Something still uses the object that was to be removed."""
    return Fault("ResourceInUse", f"The resource '{name}' is in use.", type=kind, name=name)
