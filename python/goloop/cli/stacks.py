"""``stacks``: what each loop of a process is at, and its tasks."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .finding import find


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "stacks",
        help="the stacks of a process's loops and tasks",
        description="Print what each loop of a process is at, also while it is stuck, its tasks, and the last stalls.",
    )
    parser.add_argument(
        "target", metavar="PID|PATH|HOST:PORT", help="a process, or where its endpoint listens"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--stalls", metavar="N", type=int, default=5, help="how many of the last stalls (5)")
    parser.set_defaults(command=show)


def show(options: argparse.Namespace) -> int:
    """Print it. Raises NoAnswer."""
    endpoint = find(options.target)
    pages = ("info", "loops", "stack", "tasks", "stalls")
    found = {page: endpoint.load(f"/{page}") for page in pages}
    found["stalls"] = found["stalls"][: max(0, options.stalls)]
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(lines(found)))
    return 0


def lines(found: dict[str, Any]) -> list[str]:
    """It as people read it."""
    info = found["info"]
    text = [f"process {info['pid']}, goloop {info['goloop']}, {count(len(found['loops']), 'loop')}"]
    stacks = {each["loop"]: each for each in found["stack"]}
    tasks = {each["loop"]: each for each in found["tasks"]}
    for loop in found["loops"]:
        number = loop["loop"]
        stack = stacks.get(number, {"fresh": True, "age": 0, "held_seconds": 0, "stack": []})
        held = stack["held_seconds"]
        text += [
            "",
            f"loop {number}, {loop['selector']}, thread {loop['native_id']}: {state(loop['phase'], held)}",
        ]
        text += [f"  stack{age(stack, 'by a signal, for the GIL could not be had')}"]
        text += [f"    {frame}" for frame in stack["stack"]] or ["    no Python frame"]
        of_loop = tasks.get(number, {"fresh": True, "age": 0, "tasks": []})
        text.append(f"  {count(len(of_loop['tasks']), 'task')}{age(of_loop, 'the last known')}")
        for task in of_loop["tasks"]:
            text.append(f"    {task['name']}")
            text += [f"      {frame}" for frame in task["stack"]]
    if found["stalls"]:
        text += ["", "stalls, those that last first, then the newest"]
        text += [f"  {stall(each)}" for each in found["stalls"]]
    elif not info["threshold"]:
        text += ["", "no stalls are told: nobody called goloop.watch()"]
    return text


def state(phase: str, held: float) -> str:
    """What a loop's thread is at."""
    says = {
        "python": "runs callbacks",
        "engine": "in the engine",
        "waiting": "waits for events",
        "gil": "waits for the GIL",
        "idle": "nobody runs it",
    }.get(phase, phase)
    return f"STUCK for {held:.2f} s ({says})" if held >= 0.1 else says


def age(answer: dict[str, Any], why: str) -> str:
    if answer["fresh"]:
        return ""
    return f" ({why}, {answer['age']:.1f} s old)" if answer["age"] >= 0.1 else f" ({why})"


def stall(each: dict[str, Any]) -> str:
    """A stall in one line."""
    lasts = "lasts" if each["event"] == "stalled" else "ended"
    where = each["where"] or "no Python frame"
    task = f", task {each['task']}" if each["task"] else ""
    return f"{each['time'][11:19]} loop {each['loop']} {each['seconds']:.2f} s, {lasts}: {where} ({each['state']}{task})"


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
