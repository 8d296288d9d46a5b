"""Figures that take minutes or hours: what is promised of the gate and of swaps under load, and what names would add.

Exit code 1: a promise is broken.
"""

import sys

from tests.figures import gate, identity, swaps

COMMANDS = {"gate": gate.main, "identity": identity.main, "swaps": swaps.main}


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m tests.figures {{{','.join(COMMANDS)}}} [options]\n")
        return 2
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
