# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m kmslab --estate FILE --directory DIR`: runs the lab in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from .model import Estate
from .server import LabServer

READY = "kmslab ready"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kmslab", description="A simulated Windows estate on loopback.")
    parser.add_argument("--estate", type=Path, required=True, help="YAML file that describes the machines")
    parser.add_argument("--directory", type=Path, required=True, help="where lab.json, ca.pem and inventory.yml go")
    for name in ("http", "https", "control"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help="default: any free port")
    parser.add_argument(
        "--demand-encryption",
        action="store_true",
        help="plain messages by HTTP are refused, as AllowUnencrypted=false does",
    )
    parser.add_argument(
        "--machine-ports",
        type=lambda names: [name for name in names.split(",") if name],
        default=[],
        metavar="NAME,...",
        help="machines that get ports of their own too, with the path /wsman (machine_ports in lab.json)",
    )
    parser.add_argument("--fleet", type=int, default=None, metavar="N", help="so many machines in the estate's fleet")
    parser.add_argument(
        "--record-limit", type=int, default=None, help="keep only so many requests (default: all; 0: count them only)"
    )
    parser.add_argument(
        "--latency", type=float, default=0, metavar="MS", help="hold every answer of a machine back by so many ms"
    )
    return parser.parse_args(argv)


def _allow_many_connections() -> None:
    """Each takes a file descriptor, and the usual limit is 1024 unless one asks for what one may have."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(arguments: argparse.Namespace, estate: Estate) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = LabServer(
        estate,
        arguments.directory,
        record_limit=arguments.record_limit,
        allow_unencrypted=not arguments.demand_encryption,
        machine_ports=arguments.machine_ports,
        latency_ms=arguments.latency,
    )
    try:
        await server.start(
            http_port=arguments.http_port, https_port=arguments.https_port, control_port=arguments.control_port
        )
        print(READY, flush=True)
        await stop.wait()
    finally:
        await server.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lab; returns the exit status."""
    arguments = _arguments(argv)
    _allow_many_connections()
    # A large estate is millions of objects that stay: looking through them again and again doubles the time.
    gc.disable()
    try:
        estate = Estate.load(arguments.estate, fleet=arguments.fleet)
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"kmslab: {arguments.estate}: {error}", file=sys.stderr)
        return 2
    strangers = sorted(set(arguments.machine_ports) - set(estate.names()))
    if strangers:
        print(f"kmslab: --machine-ports: {arguments.estate} has no machine {', '.join(strangers)}", file=sys.stderr)
        return 2
    gc.freeze()
    gc.enable()
    asyncio.run(_serve(arguments, estate))
    return 0


if __name__ == "__main__":
    sys.exit(main())
