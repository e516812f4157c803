"""Who among the staff may do what: permissions, the roles that hold them, and the one check.

| role     | of whom      | may                                                                                      |
| operator | the platform | everything, at every biller                                                              |
| admin    | one biller   | everything at that biller                                                                |
| support  | one biller   | read all but settings, keys and themes; change customers and users; decide registrations |
| viewer   | one biller   | read what support reads, without refusals and alarms; change nothing                     |

A role with `bid` set ends at that biller, whatever the role is called. Payers have rights instead (idp.directory.rights),
partners have scopes (idp.directory.api_keys).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from idp.actor import Staff, StaffRole
from idp.errors import PermissionMissing


class Permission(StrEnum):
    """One thing that staff may do, as `scope:resource:action`.

    scope     `platform`: belongs to no biller, for the operator's own staff only; `biller`: always asked for one biller
    resource  the business noun in the plural, as in the change log and the command line
    action    `read`, `create`, `change`, `remove`, or the verb of the service (`rotate`, `revoke`, `approve`, `verify`, `erase`,
              `retry`)
    The name of a member is its value in capitals, colons as underscores. Permissions are never implied by each other.
    """

    PLATFORM_BILLERS_READ = "platform:billers:read"
    PLATFORM_BILLERS_CREATE = "platform:billers:create"
    PLATFORM_BILLERS_CHANGE = "platform:billers:change"
    PLATFORM_PARTNERS_READ = "platform:partners:read"
    PLATFORM_PARTNERS_CREATE = "platform:partners:create"
    PLATFORM_PARTNERS_CHANGE = "platform:partners:change"
    PLATFORM_JOBS_READ = "platform:jobs:read"
    PLATFORM_CHANGES_READ = "platform:changes:read"
    PLATFORM_CHANGES_VERIFY = "platform:changes:verify"
    PLATFORM_CHANGES_ERASE = "platform:changes:erase"
    PLATFORM_CHECKPOINTS_READ = "platform:checkpoints:read"
    PLATFORM_CHECKPOINTS_CREATE = "platform:checkpoints:create"

    BILLER_BILLERS_READ = "biller:billers:read"
    BILLER_BILLERS_CHANGE = "biller:billers:change"
    BILLER_SETTINGS_READ = "biller:settings:read"
    BILLER_SETTINGS_CHANGE = "biller:settings:change"
    BILLER_DESTINATIONS_READ = "biller:destinations:read"
    BILLER_DESTINATIONS_CHANGE = "biller:destinations:change"
    BILLER_KEYS_READ = "biller:keys:read"
    BILLER_KEYS_CREATE = "biller:keys:create"
    BILLER_KEYS_CHANGE = "biller:keys:change"
    BILLER_KEYS_ROTATE = "biller:keys:rotate"
    BILLER_KEYS_REVOKE = "biller:keys:revoke"
    BILLER_ORIGINS_CREATE = "biller:origins:create"
    BILLER_ORIGINS_REMOVE = "biller:origins:remove"
    BILLER_THEMES_READ = "biller:themes:read"
    BILLER_THEMES_CREATE = "biller:themes:create"
    BILLER_THEMES_APPROVE = "biller:themes:approve"
    BILLER_CUSTOMERS_READ = "biller:customers:read"
    BILLER_CUSTOMERS_CREATE = "biller:customers:create"
    BILLER_CUSTOMERS_CHANGE = "biller:customers:change"
    BILLER_USERS_READ = "biller:users:read"
    BILLER_USERS_CREATE = "biller:users:create"
    BILLER_USERS_CHANGE = "biller:users:change"
    BILLER_USERS_REVOKE = "biller:users:revoke"
    BILLER_REGISTRATIONS_READ = "biller:registrations:read"
    BILLER_REGISTRATIONS_APPROVE = "biller:registrations:approve"
    BILLER_REFUSALS_READ = "biller:refusals:read"
    BILLER_ALARMS_READ = "biller:alarms:read"
    BILLER_MAILS_READ = "biller:mails:read"
    BILLER_CHANGES_READ = "biller:changes:read"
    BILLER_IMPORTS_READ = "biller:imports:read"
    BILLER_IMPORTS_CREATE = "biller:imports:create"
    BILLER_JOBS_READ = "biller:jobs:read"
    BILLER_JOBS_RETRY = "biller:jobs:retry"
    BILLER_JOBS_REMOVE = "biller:jobs:remove"

    @property
    def of_platform(self) -> bool:
        """Whether it belongs to no biller."""
        return self.value.startswith("platform:")


_VIEWER = frozenset(
    {
        Permission.BILLER_BILLERS_READ,
        Permission.BILLER_DESTINATIONS_READ,
        Permission.BILLER_CUSTOMERS_READ,
        Permission.BILLER_USERS_READ,
        Permission.BILLER_REGISTRATIONS_READ,
        Permission.BILLER_CHANGES_READ,
        Permission.BILLER_IMPORTS_READ,
    }
)

ROLES: Mapping[StaffRole, frozenset[Permission]] = {
    "operator": frozenset(Permission),
    "admin": frozenset(each for each in Permission if not each.of_platform),
    "support": _VIEWER
    | {
        Permission.BILLER_REFUSALS_READ,
        Permission.BILLER_ALARMS_READ,
        Permission.BILLER_MAILS_READ,
        Permission.BILLER_CUSTOMERS_CHANGE,
        Permission.BILLER_USERS_CHANGE,
        Permission.BILLER_USERS_REVOKE,
        Permission.BILLER_REGISTRATIONS_APPROVE,
    },
    "viewer": _VIEWER,
}
"""The permissions of each role. A role that is not here holds none."""


def is_allowed(staff: Staff, permission: Permission, bid: int | None = None) -> bool:
    """Whether the role holds the permission, and the member of staff reaches the biller that it is asked for."""
    if permission not in ROLES.get(staff.role, frozenset()):
        return False
    if permission.of_platform:
        return staff.bid is None
    return bid is not None and staff.bid in (None, bid)


def check_may(staff: Staff, permission: Permission, bid: int | None = None) -> None:
    """PermissionMissing unless `is_allowed`. A permission of scope `biller` is never held without a biller being named."""
    if not is_allowed(staff, permission, bid):
        raise PermissionMissing(f"{staff.role} {staff.name}: {permission} at {'no biller' if bid is None else f'BID {bid}'}")
