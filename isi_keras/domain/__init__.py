"""What an input may become: `Domain`, and the checks of data against one."""

from isi_keras.domain.bounds import as_bounds, as_domain
from isi_keras.domain.domain import Domain
from isi_keras.domain.fitted import Fitted
from isi_keras.domain.for_all import domains_of, expect_for_all
from isi_keras.domain.groups import Groups
from isi_keras.domain.room import Grid, Room

__all__ = [
    "Domain",
    "Fitted",
    "Grid",
    "Groups",
    "Room",
    "as_bounds",
    "as_domain",
    "domains_of",
    "expect_for_all",
]
