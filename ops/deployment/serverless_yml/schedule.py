"""When a schedule calls: `rate(5 minutes)`, `cron(0 3 * * *)` or a crontab line alone.

The platform takes a crontab line of five fields (6662/1391867); in which time zone it reads the
hours is not documented.
"""

import datetime as dt
import re

from cronsim import CronSim, CronSimError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((.*)\)")
# Other forms that the library reads, such as names of days, are not documented by the platform;
# `5/10` is read differently by different crons.
_ITEM = r"(?:\d+|(?:\*|\d+-\d+)(?:/\d+)?)"
_CRONTAB = re.compile(rf"{_ITEM}(?:,{_ITEM})*(?: {_ITEM}(?:,{_ITEM})*){{4}}", re.ASCII)
# How many of a unit make the next larger one; the line for every n-th, and for all of them.
_UNITS = {
    "minute": (60, "*/{} * * * *", "0 * * * *"),
    "hour": (24, "0 */{} * * *", "0 0 * * *"),
    "day": (1, "", "0 0 * * *"),
}


def as_crontab(text: str) -> str:
    """Return the crontab line of a schedule. Raises ValueError with what to write instead."""
    if rate := _RATE.fullmatch(text):
        number, unit = int(rate[1]), rate[2]
        most, nth, whole = _UNITS[unit]
        if not number or most % number:
            # `*/7` begins anew with every hour: it would not be every seven minutes.
            raise ValueError(
                f"write a number of {unit}s that divides {most}, or the crontab line that you mean"
            )
        return whole if number == most else nth.format(number)
    inner = _CRON.fullmatch(text)
    line = " ".join((inner[1] if inner else text).split())
    if not _is_crontab(line):
        raise ValueError(
            "write rate(5 minutes), or the five fields minute, hour, day, month and weekday "
            "in numbers, such as '*/5 * * * *' or '0 3 * * 1-5'"
        )
    return line


def _is_crontab(line: str) -> bool:
    """Return whether it is a crontab in a documented form, of a date that exists."""
    try:
        return bool(_CRONTAB.fullmatch(line) and CronSim(line, dt.datetime.now(dt.UTC)))
    except CronSimError:
        return False
