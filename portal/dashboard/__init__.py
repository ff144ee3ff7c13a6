"""The overview: energy per day, station states, last sessions, exports."""
