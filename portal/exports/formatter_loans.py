"""Formatters lent by name: an address uses one as it is. Files built by its end stay."""

from portal.delivery.lending import Lending
from portal.exports.models import Formatter, FormatterLoan

FORMATTERS = Lending(Formatter, FormatterLoan, FormatterLoan.formatter_id)
