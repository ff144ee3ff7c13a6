"""Reports on charging: of a station, a station group or a driver, over whole local days."""
