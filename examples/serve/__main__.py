"""Entry: `python -m examples.serve --repository URL --model WORKLOAD --weights DIR`.

It listens before the model is loaded: `/healthz` says 503 until then, which a router understands, and a port that is
taken is told at once.
"""

import os
import signal
import sys
import threading
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from examples.serve.errors import ServeError, Usage
from examples.serve.options import Options, parse


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT. Usage if the port is taken."""
    from examples.serve.http import Server  # noqa: PLC0415
    from examples.serve.reloader import Reloader  # noqa: PLC0415
    from examples.serve.weights import Source  # noqa: PLC0415

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    source = Source(options.repository, options.model, options.receipts, options.weights)
    reloader = Reloader(source, options.poll_s)
    try:
        server = Server(options.port, options.site, reloader, options.at_once)
    except OSError as error:
        raise Usage(f"port {options.port} on 127.0.0.1 cannot be had: {error.strerror}; choose another") from error
    print(f"listens on 127.0.0.1:{server.server_port}", flush=True)
    listening = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    listening.start()
    loading = threading.Thread(target=reloader.run, args=(stop,), name="reload", daemon=True)
    loading.start()
    while not stop.wait(1.0):
        if not loading.is_alive():
            raise ServeError("the thread that loads weights ended; see above")
    server.shutdown()


def main() -> int:
    """Serve as the command line says; the exit code."""
    options = parse(sys.argv[1:])
    try:
        run(options)
    except ServeError as error:
        print(f"examples.serve: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as in examples.train: an interpreter's shutdown may abort in one of torch's threads
