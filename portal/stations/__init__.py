"""Stations, their connectors, station groups, and the grants that open a group to others."""
