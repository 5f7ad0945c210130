# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark: every variant over simulated fleets, and a page of the documentation with what came out.

    make bench                                   all of it, for an hour and more on two cores
    make bench ARGUMENTS="--sizes 100 --latencies 0 --repeats 1 --results /tmp/results.json"

Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

# Run as a file: so that the modules beside it are found by their names in the collection.
sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in (".build", "tests/lab")]

from ansible_collections.winops.kms.tests.bench import stock  # noqa: E402
from ansible_collections.winops.kms.tests.bench.claims import SLOW_MS, judge  # noqa: E402
from ansible_collections.winops.kms.tests.bench.results import Results, Sample  # noqa: E402
from ansible_collections.winops.kms.tests.bench.runs import (  # noqa: E402
    HERE,
    ROOT,
    Plan,
    describe_machine,
    measure,
)
from ansible_collections.winops.kms.tests.bench.variants import CLAIMED, NARROW, VARIANTS, Variant  # noqa: E402
from kmslab.control import Lab  # noqa: E402

RESULTS = ROOT / "docs" / "benchmark" / "results.json"
SIZES = (100, 1_000, 10_000)
LATENCIES = (0.0, 5.0, 50.0)
FORKS = 20
#: The claim about a converged client: its own number of hosts, and more repeats.
CLAIM_HOSTS = 500
CLAIM_REPEATS = 5
#: The one about what limits fleet_report.
NARROW_HOSTS = 1_000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the results; returns 1 when a claim does not hold."""
    arguments = _arguments(argv)
    results = Results(dict(describe_machine()), {})
    stock_versions = stock.provide() if "stock" in arguments.variants else {}
    results.machine["ansible_core"] = version("ansible-core")
    results.machine["libraries"] = {name: version(name) for name in ("pywinrm", "requests", "urllib3")}
    results.machine["stock"] = stock_versions
    results.method = {
        "forks": FORKS,
        "repeats": arguments.repeats,
        "sizes": arguments.sizes,
        "latencies_ms": arguments.latencies,
        "claim_hosts": arguments.claim_hosts,
        "connection": "winrm, basic, http",
        "note": arguments.note,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for sample in samples(arguments, Path(folder)):
            results.samples.append(sample)
            print(_line(sample), flush=True)
            # Hours of work are not lost when it is broken off.
            arguments.results.parent.mkdir(parents=True, exist_ok=True)
            results.write(arguments.results)
    claims = judge(results)
    for claim in claims:
        print(f"{claim.verdict:5} {claim.text}: {claim.found}")
    return int(any(claim.verdict == "FAIL" for claim in claims))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--latencies", type=float, nargs="+", default=list(LATENCIES))
    parser.add_argument("--repeats", type=int, default=3, help="of each case")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument(
        "--claim-hosts", type=int, default=CLAIM_HOSTS, help="0: without the runs that are for one claim alone"
    )
    parser.add_argument("--note", default="", help="a sentence that the page shows above everything else")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args(argv)


def samples(arguments: argparse.Namespace, folder: Path) -> Iterator[Sample]:
    """All runs.  Repeats are made one after the other over all variants, so that each has the others beside it."""
    chosen = [VARIANTS[name] for name in arguments.variants]
    if arguments.claim_hosts:
        pairs = [one for one in chosen if one.name in CLAIMED]
        yield from _block(pairs, arguments.claim_hosts, 0.0, CLAIM_REPEATS, folder)
        narrow = [one for one in chosen if one.name in NARROW]
        yield from _block(narrow, NARROW_HOSTS, SLOW_MS, arguments.repeats, folder)
    for hosts in arguments.sizes:
        variants = [one for one in chosen if hosts <= one.most]
        for latency in arguments.latencies:
            yield from _block(variants, hosts, latency, arguments.repeats, folder)


def _block(variants: Sequence[Variant], hosts: int, latency: float, repeats: int, folder: Path) -> Iterator[Sample]:
    if not variants:
        return
    with contextlib.ExitStack() as stack:
        labs = {
            estate: stack.enter_context(_lab(estate, hosts)) for estate in dict.fromkeys(one.estate for one in variants)
        }
        # What a fresh machine becomes is what the others find.
        first = next((one for one in variants if one.fresh), VARIANTS["set_up"])
        others = [one for one in variants if not one.fresh]
        measured = any(one.fresh for one in variants)
        for repeat in range(1, repeats + 1):
            if "clients" in labs:
                labs["clients"].reset()
                sample = _run(first, hosts, latency if measured else 0, repeat, repeats, labs, folder)
                if measured:
                    yield sample
            turn = repeat % len(others) if others else 0
            for variant in others[turn:] + others[:turn]:
                yield _run(variant, hosts, latency, repeat, repeats, labs, folder)


def _run(
    variant: Variant, hosts: int, latency: float, repeat: int, repeats: int, labs: dict[str, Lab], folder: Path
) -> Sample:
    plan = Plan(variant, hosts, latency, FORKS, repeat, look_at_memory=repeat == repeats)
    collections = (stock.COLLECTIONS,) if variant.stock else ()
    return measure(plan, labs[variant.estate], folder / "run", collections=collections)


def _lab(estate: str, hosts: int) -> Lab:
    places = (HERE / "estates", ROOT / "tests" / "lab" / "estates")
    path = next(place / f"{estate}.yml" for place in places if (place / f"{estate}.yml").exists())
    return Lab(path, arguments=("--fleet", str(hosts), "--record-limit", "0"), start_timeout=120)


def _line(sample: Sample) -> str:
    memory = "" if sample.memory is None else f", {sample.memory / 2**20:.0f} MiB"
    return (
        f"{sample.variant:13}{sample.hosts:7} hosts {sample.latency_ms:4.0f} ms  #{sample.repeat} "
        f"{sample.wall:8.1f} s, CPU {sample.cpu:7.1f} s ({sample.cpu / sample.hosts * 1000:5.1f} ms per host), "
        f"lab {sample.lab_cpu:6.1f} s, {sample.requests / sample.hosts:5.2f} requests and "
        f"{sample.sent / sample.hosts:7.0f} bytes sent per host{memory}"
    )


if __name__ == "__main__":
    sys.exit(main())
