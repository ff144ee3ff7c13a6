"""Pages about who may charge where, and at what price."""

from portal.access import (
    card_views,
    limited_views,
    my_places_views,
    price_rule_views,
    special_user_file_views,
    who_may_charge_views,
)

blueprints = (
    who_may_charge_views.bp,
    special_user_file_views.bp,
    price_rule_views.bp,
    my_places_views.bp,
    limited_views.bp,
    card_views.bp,
)
