"""The pause before a retry."""

import random
from typing import NamedTuple


class Backoff(NamedTuple):
    """Exponential backoff: the pause after each failed try is `factor` times the one before.

    `base` is the first pause and `ceiling` the longest one, in seconds.
    """

    base: float
    ceiling: float
    factor: float = 2.0

    def pause(self, tries: int, rng: random.Random | None = None) -> float:
        """Return the pause in seconds after `tries` failed tries (1, 2, …).

        With `rng` it has full jitter: it lies anywhere between 0 and that.
        """
        # Few powers are needed to reach any ceiling; too many would overflow a float.
        longest = min(self.ceiling, self.base * self.factor ** min(tries - 1, 100))
        return longest if rng is None else rng.uniform(0.0, longest)
