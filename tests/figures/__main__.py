"""``make figures``: measure what is promised of the gate, or of swaps under load; exit code 1 if a promise is broken."""

import sys

from tests.figures import gate, swaps

COMMANDS = {"gate": gate.main, "swaps": swaps.main}


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m tests.figures {{{','.join(COMMANDS)}}} [options]", file=sys.stderr)
        return 2
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
