"""Pages of stations, their map, connectors and station groups."""

from portal.stations import connector_views, group_views, map_views, station_views

blueprints = (station_views.bp, map_views.bp, connector_views.bp, group_views.bp)
