"""Train the model of this folder; ``--help`` says how."""

import sys

from training.kit.main import main

if __name__ == "__main__":
    sys.exit(main(__file__))
