"""What the platforms say of themselves: how much of a daily budget one of them may charge. Integers, rounded down.

Google Ads: twice the day's highest budget, and 30.4 budgets a calendar month; after an edit what is spent so far and
the new budget on each day that is left. Meta and TikTok: a factor of the day's highest budget, and seven budgets from
Sunday to Saturday; what an edit does to that week is not documented, so it ends the week's ceiling. LinkedIn: a factor
of the day's highest budget. Budgets count whether their channel is paused or not, for anybody may switch it on.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import date, timedelta

FACTOR = {"google_ads": (2, 1), "meta": (7, 4), "tiktok": (5, 4), "linkedin": (3, 2)}
"""Most that a day may cost over its highest budget."""
CEILING = {"google_ads": "month", "meta": "week", "tiktok": "week", "linkedin": ""}
PLATFORMS = tuple(FACTOR)
SUNDAY = 6
DAY = timedelta(days=1)


@dataclass
class Bill:
    """One channel of one campaign as its platform charges it, in micros."""

    platform: str
    budget: int = 0
    highest: int = 0
    """Of the running day."""
    today: int = 0
    """Charged."""
    left: int | None = None
    """Of the running week or month; None where nothing limits it but its days."""

    def begin(self, day: date) -> None:
        """A local day begins."""
        self.highest, self.today = self.budget, 0
        if CEILING[self.platform] == "month" and day.day == 1:
            self.left = 152 * self.budget // 5
        if CEILING[self.platform] == "week" and day.weekday() == SUNDAY:
            self.left = 7 * self.budget

    def edit(self, budget: int, day: date) -> None:
        """Somebody sets the daily budget."""
        if budget == self.budget:
            return
        self.budget, self.highest = budget, max(self.highest, budget)
        if CEILING[self.platform] == "month":
            self.left = self._most() - self.today + budget * (month_end(day) - day).days
        else:
            self.left = None

    def _most(self) -> int:
        """Of the day, its highest budget alone considered."""
        numerator, denominator = FACTOR[self.platform]
        return max(numerator * self.highest // denominator, self.today)

    def room(self) -> int:
        """What may still be charged today."""
        room = self._most() - self.today
        return room if self.left is None else max(min(room, self.left), 0)

    def charge(self, micros: int) -> None:
        """Spend is charged."""
        self.today += micros
        if self.left is not None:
            self.left -= micros

    def worst(self, today: date, last: date) -> int:
        """Most that could be charged from now to the end of ``last`` if nobody ever wrote again."""
        bill, total, day = copy(self), 0, today
        while True:
            room = bill.room()
            total += room
            if day >= last:
                return total
            bill.charge(room)
            day += DAY
            bill.begin(day)


def month_end(day: date) -> date:
    """The last day of its month."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - DAY
