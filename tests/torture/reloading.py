"""The server as `python -m app` runs it, save that SIGHUP has it load every model again."""

import signal
import threading

from app import server
from app.desk import Desk
from app.main import create_app
from app.settings import load_settings


def main() -> None:
    """Run until told to stop."""
    settings = load_settings(None)
    app = create_app(settings)

    def reload(_signal: int, _frame: object) -> None:
        desk: Desk = app.state.serving
        threading.Thread(target=desk.serving.load).start()

    signal.signal(signal.SIGHUP, reload)
    signal.signal(signal.SIGTERM, server._leave)
    server._serve(app, settings, server._listen(settings))


if __name__ == "__main__":
    main()
