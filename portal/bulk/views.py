"""Pages about many stations at once."""

from portal.bulk import file_views

blueprints = (file_views.bp,)
