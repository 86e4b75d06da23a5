"""Getting in: service content, login, sessions, privileges, clock."""

from __future__ import annotations

import secrets

from services.simulator.methods.registry import Call, method
from services.simulator.soap.faults import Fault, invalid_argument, not_authenticated
from services.simulator.soap.values import Array, Data, Value, strings
from services.simulator.world.sessions import Session

PRIVILEGES = (
    "System.Anonymous", "System.View", "System.Read",
    "Network.Assign", "Network.Config", "Network.Delete",
    "DVPortgroup.Create", "DVPortgroup.Modify", "DVPortgroup.Delete",
    "Resource.AssignVMToPool", "Resource.HotMigrate", "Resource.ColdMigrate",
    "Datastore.AllocateSpace", "Datastore.Browse", "Folder.Create",
    "Host.Config.Maintenance", "Host.Config.Connection", "Sessions.ValidateSession",
    "VirtualMachine.Inventory.Create", "VirtualMachine.Inventory.CreateFromExisting",
    "VirtualMachine.Inventory.Delete", "VirtualMachine.Inventory.Unregister",
    "VirtualMachine.Config.AddNewDisk", "VirtualMachine.Config.EditDevice", "VirtualMachine.Config.CPUCount",
    "VirtualMachine.Config.Memory", "VirtualMachine.Config.Rename", "VirtualMachine.Config.Annotation",
    "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.PowerOff",
    "VirtualMachine.Provisioning.Clone", "VirtualMachine.Provisioning.DeployTemplate",
    "VirtualMachine.Provisioning.Customize",
)  # fmt: skip
"""What the user holds on every object, unless the control API took some away."""


@method("RetrieveServiceContent", needs_login=False)
def retrieve_service_content(call: Call) -> Value:
    return call.directory.content()


@method("CurrentTime", needs_login=False)
def current_time(call: Call) -> Value:
    return call.world.now()


@method("Login", needs_login=False)
def login(call: Call) -> Value:
    user, password = call.arguments.text("userName"), call.arguments.text("password")
    expected = call.settings.password.get_secret_value()
    if user != call.settings.user or not secrets.compare_digest((password or "").encode(), expected.encode()):
        raise Fault("InvalidLogin", "Cannot complete login due to an incorrect user name or password.")
    if call.session_or_none is not None and call.session_or_none.dead is None:
        raise Fault("InvalidLogin", "The session is logged in already.")
    session = Session(secrets.token_hex(20), user, call.world.now(), call.client, call.agent)
    call.world.sessions[session.key] = session
    call.new_session = session
    return session.described()


@method("Logout")
def logout(call: Call) -> Value:
    call.world.end_session(call.session)
    return None


@method("TerminateSession")
def terminate_session(call: Call) -> Value:
    for key in call.arguments.texts("sessionId"):
        session = call.world.sessions.get(key)
        if session is None:
            raise Fault("NotFound", f"There is no session {key}.")
        call.world.end_session(session)
    return None


@method("SessionIsActive")
def session_is_active(call: Call) -> Value:
    session = call.world.sessions.get(call.arguments.text("sessionID") or "")
    return session is not None and session.dead is None and session.user == call.arguments.text("userName")


@method("HasPrivilegeOnEntities", "HasUserPrivilegeOnEntities")
def has_privilege_on_entities(call: Call) -> Value:
    user, asked = call.arguments.text("userName"), call.arguments.text("sessionId")
    if user is None and asked not in call.world.sessions:
        raise not_authenticated(call.target)
    known = user in {None, call.settings.user}
    entities = call.arguments.refs("entity") or call.arguments.refs("entities")
    wanted = call.arguments.texts("privId")
    answers = []
    for ref in entities:
        call.world.find(ref)
        granted = [
            Data("PrivilegeAvailability", privId=name, isGranted=known and _holds(call, name))
            for name in wanted
        ]
        answers.append(
            Data("EntityPrivilege", entity=ref, privAvailability=Array("PrivilegeAvailability", granted))
        )
    return Array("EntityPrivilege", answers)


@method("FetchUserPrivilegeOnEntities")
def fetch_user_privilege_on_entities(call: Call) -> Value:
    known = call.arguments.text("userName") == call.settings.user
    held = [name for name in PRIVILEGES if known and _holds(call, name)]
    answers = []
    for ref in call.arguments.refs("entities"):
        call.world.find(ref)
        answers.append(Data("UserPrivilegeResult", entity=ref, privileges=strings(held)))
    if not answers:
        raise invalid_argument("entities")
    return Array("UserPrivilegeResult", answers)


def _holds(call: Call, privilege: str) -> bool:
    return privilege in PRIVILEGES and privilege not in call.world.denied
