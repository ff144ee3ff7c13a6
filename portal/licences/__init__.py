"""Licences: functions unlocked for an account, by the platform's operator only."""
