"""Who works on which import."""

from portal.charging.models import SessionImport
from portal.core.leases import MOST_FAILURES, Claim, Jobs, LeaseLost, Sessions

__all__ = ["MOST_FAILURES", "Claim", "LeaseLost", "Sessions", "claim", "imports", "waits_since", "write"]

imports = Jobs(SessionImport)
waits_since, claim, write = imports.waits_since, imports.claim, imports.write
