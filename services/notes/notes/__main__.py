"""Start the service: `python -m notes`."""

import signal
import sys
from types import FrameType


def main() -> None:
    """Serve until SIGTERM or SIGINT, finish what is in flight, and exit with 0."""
    # Set before the imports, which take most of the boot: as process 1 of a container a signal
    # without a handler is ignored, and a stop during the boot would last until the engine kills.
    # The server takes both signals over while it runs and raises them again at its end.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)

    # pymongo tries this module, and with it imports the half of `cryptography` that only TLS by
    # PyOpenSSL takes. Its async client cannot use that; without, the boot is some 20 ms shorter.
    sys.modules["pymongo.pyopenssl_context"] = None  # type: ignore[assignment]

    from notes.server import serve

    serve()


def leave(_signal: int, _frame: FrameType | None) -> None:
    """End the process with 0: being told to stop is no failure."""
    sys.exit(0)


if __name__ == "__main__":
    main()
