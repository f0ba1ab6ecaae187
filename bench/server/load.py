"""`soniq serve` under load, against the library in a process of its own in the same run.

    .ci/bench server [--chat FILE.soniq] [--encoder FILE.soniq] [--clients 8] [--seconds 10] [--threads 1] [--tokens 32]

For each model: the library without a server, a closed loop of one client and of several, open loops at a third and two
thirds of what the closed one had, an overload, a worker that is killed, and a model that is replaced. Every answer is
compared with what the library says to that request. The exit status is 1 where one is wrong or missing.
Server and clients share the machine: a table of one core is not one of two.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "Tests/Server")]
from loops import Result, closed, opened  # noqa: E402
from running import Server  # noqa: E402
from work import Chat, Embeddings  # noqa: E402

Works = Chat | Embeddings
POOL = 24


class Report:
    """The table, and whether all was well."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        print("| model | load | requests | answered | refused | p50 ms | p99 ms | a second | of the library |")
        print("|---|---|---:|---:|---:|---:|---:|---:|---:|")

    def line(self, name: str, load: str, *cells: str) -> None:
        print(f"| {name} | {load} | {' | '.join(cells)} |", flush=True)

    def add(self, name: str, load: str, result: Result, library: float, work: Works, lost: int = 0) -> None:
        """A loop in which at most `lost` connections may break, and requests may be refused."""
        statuses = result.statuses
        if result.asked != statuses.total() or result.wrong or result.impatient:
            self.problems.append(f"{name}, {load}: {result}")
        if set(statuses) - {0, 200, 429} or statuses[0] > lost:
            self.problems.append(f"{name}, {load}: {dict(statuses)}")
        times = [f"{1000 * result.percentile(percent):.0f}" for percent in (50, 99)]
        refused = f"{statuses[429]}" + (f", {statuses[0]} broken" if statuses[0] else "")
        numbers = [f"{result.asked}", f"{statuses[200]}", refused, *times]
        self.line(name, load, *numbers, f"{result.rate:.1f} {work.unit}", f"{result.rate / library:.0%}")


def start(folder: Path, options: argparse.Namespace, *more: object) -> Server:
    log = Path(tempfile.mkstemp(dir=folder)[1])
    return Server(log, *more, "--concurrency", options.clients, threads=options.threads)


def measure(name: str, file: Path, work: Works, options: argparse.Namespace, folder: Path, report: Report) -> None:
    clients, seconds = options.clients, options.seconds
    single, library = work.in_process(1, seconds), work.in_process(clients, seconds)
    report.line(name, "library, 1 beside", "", "", "", "", "", f"{single:.1f} {work.unit}", f"{single / library:.0%}")
    report.line(name, f"library, {clients} beside", "", "", "", "", "", f"{library:.1f} {work.unit}", "100%")
    server = start(folder, options, f"{name}={file}")
    report.add(name, "closed, 1 client", asyncio.run(closed(server.port, work, 1, seconds)), library, work)
    several = asyncio.run(closed(server.port, work, clients, seconds))
    report.add(name, f"closed, {clients} clients", several, library, work)
    for part in (1, 2):
        rate = part / 3 * several.statuses[200] / several.seconds
        result = asyncio.run(opened(server.port, work, rate, seconds))
        report.add(name, f"open, {rate:.1f} requests a second", result, library, work)
    _stop(server, report)

    server = start(folder, options, f"{name}={file}", "--queue", 2)
    result = asyncio.run(closed(server.port, work, 4 * clients, seconds))
    report.add(name, f"closed, {4 * clients} clients, a queue of 2", result, library, work)
    if not result.statuses[429]:
        report.problems.append(f"{name}: nobody was refused")
    _stop(server, report)
    _kill(name, file, work, options, folder, report, library)
    _replace(name, file, work, options, folder, report, library)


def _kill(
    name: str, file: Path, work: Works, options: argparse.Namespace, folder: Path, report: Report, library: float
) -> None:
    """Connections to a worker that is killed break; all others are answered."""
    server = start(folder, options, f"{name}={file}", "--workers", 2)
    workers = server.wait(lambda: two if len(two := _workers(server)) == 2 else None)

    async def run() -> Result:
        asyncio.get_running_loop().call_later(options.seconds / 3, os.kill, workers[0], signal.SIGKILL)
        return await closed(server.port, work, options.clients, options.seconds)

    # A client may find its connection broken twice: with its request, and the kept one before it.
    report.add(name, "a worker is killed", asyncio.run(run()), library, work, lost=2 * options.clients)
    server.wait(lambda: len(_workers(server)) == 3)
    _stop(server, report)


def _workers(server: Server) -> list[int]:
    lines = server.log().split("Started server process [")[1:]
    return [int(line.partition("]")[0]) for line in lines]


def _replace(
    name: str, file: Path, work: Works, options: argparse.Namespace, folder: Path, report: Report, library: float
) -> None:
    """A copy of the model takes its place: nobody sees it."""
    path, new = folder / "served.soniq", folder / "new.soniq"
    shutil.copy(file, path)
    server = start(folder, options, f"{name}={path}", "--watch", 0.2)

    async def run() -> Result:
        loop = asyncio.get_running_loop()
        shutil.copy(file, new)
        loop.call_later(options.seconds / 3, os.replace, new, path)
        return await closed(server.port, work, options.clients, options.seconds)

    report.add(name, "the file is replaced", asyncio.run(run()), library, work)
    server.wait(lambda: server.metric("soniq_reloads_total", result="opened") == 1)
    _stop(server, report)


def _stop(server: Server, report: Report) -> None:
    if server.stop() or "Traceback" in server.log():
        report.problems.append(server.log())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chat", type=Path)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    options = parser.parse_args()
    if not (options.chat or options.encoder):
        parser.error("give --chat or --encoder, or both")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="soniq-load-") as folder:
        if options.chat:
            chat = Chat("chat", options.chat, options.threads, POOL, options.tokens)
            measure("chat", options.chat, chat, options, Path(folder), report)
        if options.encoder:
            embeddings = Embeddings("encoder", options.encoder, options.threads, POOL, 4)
            measure("encoder", options.encoder, embeddings, options, Path(folder), report)
    print("\n".join(["", *report.problems, f"{len(report.problems)} problems"]), file=sys.stderr)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
