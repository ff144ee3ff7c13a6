"""Charging sessions, their quarter-hour energy, and their import from files."""
