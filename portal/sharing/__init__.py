"""Sharing: giving, seeing and revoking grants on station groups."""
