"""Auto-export: formatters, tasks, and the runs that deliver each period of a task once."""
