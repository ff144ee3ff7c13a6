"""Deliveries to real servers."""
