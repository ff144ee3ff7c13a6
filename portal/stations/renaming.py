"""Word that identifiers of meters have changed: whoever stands above this domain may have something to say of it."""

from blinker import Namespace

# Sent after the change is committed, within the request: `connector_ids` and `driver_ids` that carry other identifiers.
renamed = Namespace().signal("identifiers-changed")
