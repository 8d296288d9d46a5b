"""Imports the modules that are named on the command line, one by one, and prints what each did besides being imported.

Runs as a process of its own, because what is imported stays imported. The rules are in tests/test_imports.py.
"""

import importlib
import json
import logging
import os
import sys
import threading
from pathlib import Path

ROOT = str(Path(__file__).parents[1]) + os.sep
CODE = (".py", ".pyc", ".so")
ALTERS = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate", "shutil.copyfile"})
REACHES_OUT = frozenset({"os.exec", "os.fork", "os.posix_spawn", "os.system", "socket.connect", "subprocess.Popen"})

events: list[str] = []
audited = True


def audit(event: str, arguments: tuple[object, ...]) -> None:
    """Write down what alters the disk, what reads our files and what leaves the process."""
    if not audited:
        return
    if event in ALTERS or event in REACHES_OUT:
        events.append(f"{event} {arguments}")
    elif event == "open" and isinstance(arguments[0], str):
        path, mode, flags = os.path.abspath(arguments[0]), arguments[1], arguments[2]  # noqa: PTH100  Path audits itself
        writes = bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        ours = path.startswith(ROOT) and f"{os.sep}site-packages{os.sep}" not in path
        if writes or (ours and not path.endswith(CODE)):
            events.append(f"open {path} mode {mode}")


def state() -> dict[str, object]:
    """Return what an import must leave as it is."""
    return {
        "logging": (logging.root.level, len(logging.root.handlers), logging.root.disabled),
        "threads": threading.active_count(),
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109  no object is needed
        "search path": list(sys.path),
    }


def main() -> None:
    """Import, compare, print one JSON object: module -> what it did and which top-level packages it brought."""
    sys.addaudithook(audit)
    report: dict[str, dict[str, list[str]]] = {}
    for name in sys.argv[1:]:
        events.clear()
        before, loaded = state(), set(sys.modules)
        importlib.import_module(name)
        after = state()
        changed = [f"changed {key}" for key in before if before[key] != after[key]]
        brought = {module.partition(".")[0] for module in set(sys.modules) - loaded}
        report[name] = {"did": [*events, *changed], "brought": sorted(brought)}
    global audited  # noqa: PLW0603  an audit hook cannot be removed
    audited = False
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
