"""Destinations: servers that files are delivered to, their keys and their connection test."""
