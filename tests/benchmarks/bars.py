"""What the figures of the benchmarks and the yardsticks are held to."""

from __future__ import annotations

from typing import NamedTuple


class Bar(NamedTuple):
    """A figure is to be `at_least` or `at_most` this."""

    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        return f"at most {self.at_most:,.3g}" if self.at_least is None else f"at least {self.at_least:,.3g}"

    def met(self, figure: float) -> bool:
        return (self.at_least is None or figure >= self.at_least) and (self.at_most is None or figure <= self.at_most)


class Ratio(NamedTuple):
    """Of our rate to another's: the least that will do, and the aim."""

    least: float | None
    aim: float | None = None

    @property
    def bar(self) -> Bar:
        return Bar(at_least=self.least)


#: Rates over rates: `few` over the scalar form, every mechanism over the base model, dissolved over living alliances,
#: pair-updates of more partners over those of two.
SCALAR = Ratio(10, 25)
MECHANISMS = Ratio(1 / 3, 1 / 2)
DISSOLVED = Ratio(5)
PAIRS = Ratio(1 / 1.5, 1)
#: Wall time of a whole sweep over the time its kernels take, divided by the workers.
SMALL_POINTS = Bar(at_most=1.1)
LARGE_POINTS = Bar(at_most=1.05)
#: Seconds of the exact engine: 10,000 points of two partners, 100 periods, all recorded; one point of eight partners.
EXACT_SWEEP = Bar(at_most=10)
EXACT_EIGHT = Bar(at_most=1)
#: Alliances that a target takes over those of an oracle that knew each variance, at points that need over 10,000.
TARGET = Bar(at_most=1.15)
#: Seconds from the command to the first block of the default sweep.
COLD = Bar(at_most=15)
WARM = Bar(at_most=2.5)
