"""Many stations and connectors at once: chosen on their list or in a file, looked at, changed together."""
