"""A request that could not be read, or that nobody has time for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fastws.errors import Reject
from fastws.proxy.decision import Reply
from fastws.proxy.session import Session

if TYPE_CHECKING:
    from fastws.protocol.head import RequestHead
    from fastws.protocol.torn import Torn
    from fastws.proxy.context import Context
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.settings import Settings

# nginx's status, for the log only: nobody is there to get it.
_BROKEN_OFF = 400


class Unread(Session):
    """Is refused at once, by the rules of the site that it seems to be for, and written down.

    Of a head that is empty nothing is known, so that no site has it.
    """

    __slots__ = ()

    handshake = False

    def __init__(
        self,
        context: Context,
        settings: Settings,
        downstream: Downstream,
        head: RequestHead | Torn,
    ) -> None:
        super().__init__(context, settings, downstream)
        self.request = head  # as far as it is known
        if head.size:
            self._visit_site()

    def lost(self) -> None:
        """Take note of a client that went away before its head was whole."""
        self.trace.status = _BROKEN_OFF
        self.refused(_BROKEN_OFF, "the client went away before the head of its request was whole")
        self._write_down()

    # private

    def _visit_site(self) -> None:
        with suppress(Reject):  # it is refused already
            self.visit = self._settings.routes.visit(self)
            if self.visit:
                self.visit.read_path()

    def _in_place_of(self, reject: Reject) -> Reply | None:
        """Return an answer of the configuration; nothing is passed on that could not be read."""
        instead = super()._in_place_of(reject)
        return instead if isinstance(instead, Reply) else None
