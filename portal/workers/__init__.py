"""Processes beside the web: RQ workers, the scheduler, and the supervisor that starts everything at once."""
