"""Pages about who may charge where, and at what price."""

from portal.access import special_user_file_views

blueprints = (special_user_file_views.bp,)
