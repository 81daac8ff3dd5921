"""One place that every request is told to: metrics, and the audit log if there is one."""

from dataclasses import replace
from typing import TYPE_CHECKING

from textclf.engine.errors import Code
from textclf.server.audit import AuditLog
from textclf.server.calls import Call
from textclf.server.metrics import Metrics

if TYPE_CHECKING:
    from textclf.engine.models import Models


class Records:
    """Counts and logs requests, each once, when its answer is known."""

    def __init__(self, models: "Models", metrics: Metrics, audit: AuditLog | None = None) -> None:
        """Write to these.

        Args:
            models: What is served; the names of others, which a client can make up, are kept nowhere.
            metrics: What counts.
            audit: What logs.
        """
        self._models, self.metrics, self._audit = models, metrics, audit

    def answered(self, call: Call, code: Code) -> None:
        """Count and log an answer."""
        if call.model not in self._models.names():
            call = replace(call, model="")
        self.metrics.answered(call, code)
        if self._audit is not None:
            self._audit.write(call, code)
