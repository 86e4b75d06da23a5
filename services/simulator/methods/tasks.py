"""Running what a `…_Task` method asks for, and showing how it went."""

from __future__ import annotations

from collections.abc import Callable

from services.simulator.inventory.entities import Entity
from services.simulator.inventory.tasks import Task
from services.simulator.methods.registry import Call
from services.simulator.soap.faults import Fault
from services.simulator.soap.values import Ref, Value

_KEPT_TASKS = 500


def run_task(call: Call, target: Entity, work: Callable[[], Value]) -> Ref:
    """Start `work` as a task on `target`; faults it raises become the task's error."""
    world = call.world
    task = Task(world.new_id("task"), call.method, target, call.session.user, world.now())
    world.add(task)
    world.recent_tasks[task.moid] = task
    _forget_old(call)

    def begin() -> None:
        task.state = "running"
        task.started = world.now()
        world.touch(task, "info")
        world.later(call.settings.task_seconds, finish)

    def finish() -> None:
        try:
            task.result = work()
            task.state = "success"
        except Fault as fault:
            task.error = fault
            task.state = "error"
        task.completed = world.now()
        world.touch(task, "info")

    begin()
    return task.ref


def _forget_old(call: Call) -> None:
    tasks = call.world.recent_tasks
    if len(tasks) > _KEPT_TASKS:
        oldest = next(iter(tasks))
        call.world.drop(tasks.pop(oldest))
