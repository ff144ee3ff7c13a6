"""Piquet: sharing of charging station groups, and delivery of their consumption to billing systems."""
