"""Every table of the product. Entry points import this once, so that foreign keys between domains resolve."""

from portal.access import models as access
from portal.accounts import models as accounts
from portal.charging import models as charging
from portal.core import audit, files, mail
from portal.core.db import Base
from portal.delivery import models as delivery
from portal.exports import models as exports
from portal.licences import models as licences
from portal.maintenance import models as maintenance
from portal.reports import models as reports
from portal.sharing import models as sharing
from portal.stations import models as stations

__all__ = [
    "Base",
    "access",
    "accounts",
    "audit",
    "charging",
    "delivery",
    "exports",
    "files",
    "licences",
    "mail",
    "maintenance",
    "reports",
    "sharing",
    "stations",
]
