"""Destinations lent by name: an address delivers to one without seeing server, user or secret."""

from portal.delivery.lending import Lending
from portal.delivery.models import Destination, DestinationLoan

DESTINATIONS = Lending(Destination, DestinationLoan, DestinationLoan.destination_id)
