"""Tasks: what a `…_Task` method returns, to be watched until it is done."""

from __future__ import annotations

from datetime import datetime

from services.simulator.inventory.entities import Entity
from services.simulator.inventory.trees import Node, Tree
from services.simulator.soap.faults import Fault
from services.simulator.soap.values import AnyValue, Data, Enum, Ref, Typed, Value


class Task(Entity):
    """One task on one object. `method` is the wire name of what was called."""

    kind = "Task"
    bases = ("ExtensibleManagedObject",)

    def __init__(self, moid: str, method: str, target: Entity, user: str, queued: datetime) -> None:
        super().__init__(moid, method, None)
        self.target = target
        self.user = user
        self.queued = queued
        self.started: datetime | None = None
        self.completed: datetime | None = None
        self.state = "queued"
        self.result: Value = None
        self.error: Fault | None = None


def _description(task: Task) -> str:
    verb = task.name.removesuffix("_Task")
    return f"{task.target.kind}.{verb[:1].lower()}{verb[1:]}"


TASK: Tree[Task] = Tree(
    "Task",
    {
        "info": Node(
            "TaskInfo",
            {
                "key": lambda task: task.moid,
                "task": lambda task: task.ref,
                "name": lambda task: task.name,
                "descriptionId": _description,
                "entity": lambda task: Ref(task.target.kind, task.target.moid),
                "entityName": lambda task: task.target.name,
                "state": lambda task: Enum("TaskInfoState", task.state),
                "cancelled": lambda _: False,
                "cancelable": lambda _: False,
                "error": lambda task: task.error.localized() if task.error else None,
                "result": lambda task: AnyValue(task.result) if task.result is not None else None,
                "progress": lambda task: 50 if task.state == "running" else None,
                "reason": lambda task: Typed("TaskReasonUser", userName=task.user),
                "queueTime": lambda task: task.queued,
                "startTime": lambda task: task.started,
                "completeTime": lambda task: task.completed,
                "eventChainId": lambda task: int(task.moid.rpartition("-")[2]),
                "description": lambda _: Data("LocalizableMessage", key="task", message="task"),
            },
        )
    },
)
