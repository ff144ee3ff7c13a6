"""Pages of stations, connectors and station groups."""

from portal.stations import connector_views, group_views, station_views

blueprints = (station_views.bp, connector_views.bp, group_views.bp)
