"""One page that shows every pattern of the front end, for those who build screens."""

from flask import render_template

from portal.core.web import bp, guard


@bp.get("/patterns")
@guard("pattern:view")
def patterns() -> str:
    return render_template("patterns.html")
