"""``make figures``: what is promised of the gate, and of swaps under load, measured.

Exit code 1: a promise is broken.
"""

import sys

from tests.figures import gate, swaps

COMMANDS = {"gate": gate.main, "swaps": swaps.main}


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m tests.figures {{{','.join(COMMANDS)}}} [options]\n")
        return 2
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
