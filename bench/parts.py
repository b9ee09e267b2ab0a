"""The parts of the benchmark, in the order of measuring and showing."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import backlog, bulk, cold, ledger, memory, repeats, warm, zips
from bench.figures import Figure
from bench.run import Run


@dataclass(frozen=True, slots=True)
class Part:
    """The function that measures a part, and the heading of the column beside our own figures."""

    measure: Callable[[Run], list[Figure]]
    beside: str = "alternative"


PARTS = {
    "cold": Part(cold.measure),
    "zips": Part(zips.measure),
    "repeats": Part(repeats.measure),
    "warm": Part(warm.measure),
    "bulk": Part(bulk.measure),
    "memory": Part(memory.measure),
    "ledger": Part(ledger.measure, "with 1,000"),
    "backlog": Part(backlog.measure, ""),
}
