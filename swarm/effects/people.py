"""A person's word at the door: plans that people let be written join an hour's batch before what agents propose.

Letters: n writes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from swarm.effects.door import Word
from swarm.effects.ledger import Ledger
from swarm.effects.plans import Due
from swarm.effects.proposals import Proposals
from swarm.platforms.protocol import Effects

STALE = -2
"""In ``Word.expected``: a value that is never in force."""


def joined(asked: Proposals, due: Due, ledger: Ledger) -> tuple[Proposals, Word]:
    """An hour's batch: what people let be written, then what agents propose for other settings.

    Where one move of a plan no longer meets the value that it was made for, none of the plan is written.
    """
    if not len(due.asked):
        return asked, Word.none(len(asked))
    theirs = due.asked
    in_force = ledger.value(theirs.field, theirs.campaign, theirs.channel, theirs.creative)
    expected = np.where(due.current(in_force), due.old, STALE)
    own = asked.take(~np.isin(_places(asked), _places(theirs)))
    rest = Word.none(len(own))
    word = Word(
        np.concatenate([np.ones(len(theirs), dtype=np.bool_), rest.approved]), np.concatenate([expected, rest.expected])
    )
    return Proposals.concat([theirs, own]), word


def ends(due: Due, passed: Effects, before: Ledger) -> dict[str, Literal["written", "void"]]:
    """What became of each plan: ``written`` where something of it ``passed``, ``void`` where hand edits won.

    ``before``: what was in force when the batch was judged. A plan that guards refuse waits until it expires.
    """
    theirs = due.asked
    current = due.current(before.value(theirs.field, theirs.campaign, theirs.channel, theirs.creative))
    written = np.isin(_places(theirs), _places(passed)) & current
    told = dict[str, Literal["written", "void"]]()
    told |= dict.fromkeys(np.unique(due.digest[~current]).tolist(), "void")
    return told | dict.fromkeys(np.unique(due.digest[written]).tolist(), "written")


def _places(asked: Proposals | Effects) -> NDArray[np.int64]:
    """[n] one number for each setting."""
    columns = (asked.campaign, asked.channel, asked.field, asked.creative)
    campaign, channel, field, creative = (column.astype(np.int64) for column in columns)
    return ((campaign * 256 + channel) * 8 + field) * 65_536 + creative + 1
