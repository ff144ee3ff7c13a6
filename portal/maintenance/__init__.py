"""Maintenance by hand: who receives it, and what is noted, planned and done at a station."""
