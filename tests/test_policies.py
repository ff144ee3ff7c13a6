"""The policy and the code agree, both ways; the policy reads like one list."""

import ast
import re
from itertools import product
from pathlib import Path

import casbin
import pytest

from portal.core import authz
from portal.stations.models import Connector, Station
from tests.source import parsed

ROOT = Path(__file__).parents[1]
ACTION = re.compile(r"[a-z]+(_[a-z]+)*:[a-z]+(_[a-z]+)*")
# Calls whose string argument is an action that Casbin has decided; the audit log's own words are not asked of it.
ASKING = {
    "guard", "may", "why", "visible", "visible_stations", "platform_may", "owner_may",
    "station", "station_group", "connector", "grant",
}  # fmt: skip
# Actions that nothing asks for yet, with the reason why the policy names them all the same.
RESERVED = {
    "mapping:edit": "a saved mapping is edited within an import today",
    "alarm:edit": "comes with the OCPP gateway",
}


def policy_lines() -> list[tuple[str, ...]]:
    lines = (ROOT / "policies" / "policy.csv").read_text().splitlines()
    return [tuple(part.strip() for part in line.split(",")) for line in lines if line.startswith("p,")]


def strings_in_code() -> set[str]:
    """Every string of the code that reads like an action, but those handed to the audit log and its sentences."""
    found: set[str] = set()
    for path in set((ROOT / "portal").rglob("*.py")) - {ROOT / "portal" / "audit" / "sentences.py"}:
        tree = parsed(path.read_text())
        audited = {id(leaf) for node in ast.walk(tree) if is_audit(node) for leaf in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in audited:
                found |= {node.value} if ACTION.fullmatch(node.value) else set()
    return found


def is_audit(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and name_of(node) in {"record", "_record"}


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def asked_in_code() -> set[str]:
    """Every string that is handed to a call which asks for an action."""
    found: set[str] = set()
    for path in (ROOT / "portal").rglob("*.py"):
        for node in ast.walk(parsed(path.read_text())):
            if isinstance(node, ast.Call) and name_of(node) in ASKING:
                found |= {
                    argument.value
                    for argument in node.args
                    if isinstance(argument, ast.Constant) and ACTION.fullmatch(str(argument.value))
                }
    return found


def test_every_action_asked_in_the_code_is_in_the_policy() -> None:
    assert asked_in_code() <= authz.ACTIONS


def test_every_action_of_the_policy_is_asked_somewhere_or_reserved() -> None:
    unused = authz.ACTIONS - strings_in_code()
    assert unused <= RESERVED.keys()


def test_every_action_is_a_resource_and_a_verb() -> None:
    assert all(ACTION.fullmatch(action) for action in authz.ACTIONS)


def test_the_policy_is_read_completely() -> None:
    lines = policy_lines()
    assert len(lines) == len(set(lines)), "a line stands twice"
    assert {line[3] for line in lines} == authz.ACTIONS
    assert {line[1] for line in lines} == {*authz.ROLES, *authz.PLATFORM_ROLES, *authz.LICENCE_ROLES}
    assert {line[2] for line in lines} == {"active", "any"}


def test_the_lines_of_a_block_are_in_alphabetical_order() -> None:
    text = (ROOT / "policies" / "policy.csv").read_text()
    for block in re.split(r"\n\s*\n", text):
        actions = [line.split(",")[3].strip() for line in block.splitlines() if line.startswith("p,")]
        assert actions == sorted(actions), block


def test_a_share_confers_nothing_without_both_licences() -> None:
    for _p, role, licence, action in policy_lines():
        needs = {"display", "manage", "administrate", *authz.LICENCE_ROLES}
        assert (licence == "active") == (role in needs), (role, action)


def test_what_a_licence_gates_is_allowed_by_a_permission_as_well() -> None:
    gated = {action for _p, role, _licence, action in policy_lines() if role in authz.LICENCE_ROLES}
    others = {action for _p, role, _licence, action in policy_lines() if role not in authz.LICENCE_ROLES}
    assert gated
    assert gated <= others


def test_no_action_needs_two_licences() -> None:
    gated = [action for _p, role, _licence, action in policy_lines() if role in authz.LICENCE_ROLES]
    assert len(gated) == len(set(gated))
    assert authz.licence_for("export:create") == "auto_export"
    assert authz.licence_for("connector:edit") is None


def test_the_fields_of_the_policy_are_columns() -> None:
    """Opening times and the picture are written by a page of the same name."""
    columns = {f"station.{column.key}" for column in Station.__table__.columns}
    columns |= {f"connector.{column.key}" for column in Connector.__table__.columns}
    assert authz.FIELDS - columns == {"station.image", "connector.opening_times"}


def decided_as_a_whole(policies: Path, name: str) -> dict[authz.Question, tuple[str, ...]]:
    """What `authz.decide` says is allowed, asked of all lines at once."""
    enforcer = casbin.Enforcer(str(policies / "model.conf"), str(policies / name))
    roles = authz.ROLES + authz.PLATFORM_ROLES + authz.LICENCE_ROLES
    answers = {
        asked: enforcer.enforce_ex(*asked) for asked in product(roles, authz.LICENCES, enforcer.get_all_actions())
    }
    return {asked: tuple(line) for asked, (yes, line) in answers.items() if yes}


@pytest.mark.parametrize("name", ["policy.csv", "fields.csv"])
def test_each_action_by_itself_is_decided_as_in_the_whole_policy(name: str) -> None:
    assert authz.decide(authz.POLICIES, name)[1] == decided_as_a_whole(authz.POLICIES, name)
