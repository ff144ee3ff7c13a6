"""What every domain stands on: settings, database, decisions, web shell, background, audit, vault, mail, files."""
