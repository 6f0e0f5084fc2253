"""A process that runs trials of `stand_in` in children of its own, so that they can be killed.

    python -m tests.trainables_tests.stand_in_process

Reads a line of orders (a JSON list), starts a child for each at once, and answers with a line of their exit codes. It
has one thread and its imports done, so that a child costs a few milliseconds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from pathlib import Path

from pydantic import TypeAdapter

from tests.trainables_tests.stand_in import Killed, Order, run
from trainables.plan.provenance import read_provenance

ENDED_BY_EXCEPTION = 3
"""Exit code of a child that its fate ended by an exception."""


def main() -> None:
    logging.disable(logging.WARNING)  # damage is what the tests are about
    orders = TypeAdapter(list[Order])
    for line in sys.stdin:
        children = [_start(order) for order in orders.validate_json(line, strict=False)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


def _start(order: Order) -> int:
    read_provenance(order.config)  # its checksums are kept, and children inherit them
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        run(order)
        code = 0
    except Killed:
        code = ENDED_BY_EXCEPTION
    except BaseException:  # noqa: BLE001  (the edge of the child)
        Path(order.diary).with_suffix(".error").write_text(traceback.format_exc())
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
