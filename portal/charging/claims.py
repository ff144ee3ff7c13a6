"""Who works on which import."""

from portal.charging.models import SessionImport
from portal.core.leases import MOST_FAILURES, Claim, Jobs, LeaseLost, Sessions

__all__ = ["MOST_FAILURES", "Claim", "LeaseLost", "Sessions", "claim", "waits_since", "write"]

_imports = Jobs(SessionImport)
waits_since, claim, write = _imports.waits_since, _imports.claim, _imports.write
