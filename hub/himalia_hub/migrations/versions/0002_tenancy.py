"""Tenancy, sign-in, permissions and audit.

Two things are carried over, not only made. The audit log had one chain for the installation and has
one for each organisation now: its entries are chained anew in their order, and the first security
entry after them says how many there were, where the old chain ended and whether it was whole. A
resource spec that held accelerators becomes a basic one and one for each accelerator, since a start
now takes one of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from himalia_hub.core.db import UtcDateTime

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

GENESIS = "0" * 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AUDIT_TABLES = ("audit_entries", "audit_archives")
ARCHIVED = "EXISTS (SELECT 1 FROM audit_archives a WHERE OLD.id BETWEEN a.first_id AND a.last_id)"
"""Only entries that an archive covers can leave the table."""

ENTRIES = sa.table(
    "audit_entries",
    sa.column("id", sa.BigInteger()),
    sa.column("chain", sa.BigInteger()),
    sa.column("position", sa.BigInteger()),
    sa.column("at", UtcDateTime()),
    sa.column("category", sa.String()),
    sa.column("tenant_id", sa.BigInteger()),
    sa.column("actor_tenant_id", sa.BigInteger()),
    sa.column("user_id", sa.BigInteger()),
    sa.column("actor_name", sa.String()),
    sa.column("roles", sa.String()),
    sa.column("address", sa.String()),
    sa.column("session", sa.String()),
    sa.column("action", sa.String()),
    sa.column("object_kind", sa.String()),
    sa.column("object_id", sa.String()),
    sa.column("outcome", sa.String()),
    sa.column("detail", sa.JSON()),
    sa.column("request_id", sa.String()),
    sa.column("previous", sa.String()),
    sa.column("digest", sa.String()),
)
HEADS = sa.table(
    "audit_heads", sa.column("chain", sa.BigInteger()), sa.column("position", sa.BigInteger()), sa.column("digest")
)
NEW_COLUMNS = ("chain", "position", "category", "actor_tenant_id")
CHAINED = tuple(c.name for c in ENTRIES.c if c.name not in ("id", "previous", "digest"))
SECURITY_AREAS = ("sign_in", "step_up", "password", "account.api_token", "tenancy.role")

SPECS = sa.table(
    "resource_specs",
    sa.column("id", sa.BigInteger()),
    sa.column("name", sa.String()),
    sa.column("kind", sa.String()),
    sa.column("scenario", sa.String()),
    sa.column("cpu_millis", sa.BigInteger()),
    sa.column("memory_bytes", sa.BigInteger()),
    sa.column("disk_bytes", sa.BigInteger()),
    sa.column("accelerators", sa.JSON()),
    sa.column("accelerator_label", sa.String()),
    sa.column("version", sa.BigInteger()),
    sa.column("created_at", UtcDateTime()),
    sa.column("updated_at", UtcDateTime()),
    sa.column("deleted_at", UtcDateTime()),
)
NOTEBOOKS = sa.table(
    "notebooks",
    sa.column("spec_id", sa.BigInteger()),
    sa.column("accelerator_spec_id", sa.BigInteger()),
)


# ---- the audit log ----------------------------------------------------------------------------


def _digest(previous: str, plain: dict[str, Any]) -> str:
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous + canonical).encode()).hexdigest()


def _old_form(entry: dict[str, Any]) -> dict[str, Any]:
    """What the one chain of the installation was made of; moments as text."""
    plain = {name: entry[name] for name in CHAINED if name not in NEW_COLUMNS}
    return {**plain, "at": entry["at"].isoformat()}


def _new_form(entry: dict[str, Any]) -> dict[str, Any]:
    """What the chain of an organisation is made of; moments in microseconds since 1970."""
    return {**{name: entry[name] for name in CHAINED}, "at": (entry["at"] - EPOCH) // timedelta(microseconds=1)}


def _entries(bind: sa.Connection, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """All entries in their order, a thousand at a time."""
    last = 0
    chosen = [ENTRIES.c[name] for name in ("id", "previous", "digest", *columns)]
    while True:
        page = bind.execute(sa.select(*chosen).where(ENTRIES.c.id > last).order_by(ENTRIES.c.id).limit(1000))
        rows = [dict(row) for row in page.mappings()]
        if not rows:
            return
        yield from rows
        last = rows[-1]["id"]


def _category(entry: dict[str, Any]) -> str:
    secret = entry["outcome"] == "refused" or entry["action"].startswith(SECURITY_AREAS)
    return "security" if secret else "operation"


def _rewrite(bind: sa.Connection, entry: dict[str, Any], names: tuple[str, ...]) -> None:
    bind.execute(sa.update(ENTRIES).where(ENTRIES.c.id == entry["id"]).values({name: entry[name] for name in names}))


def _chain_by_organisation(bind: sa.Connection) -> None:
    heads: dict[int, tuple[int, str]] = {}
    old, count, altered = GENESIS, 0, None
    for entry in _entries(bind, tuple(name for name in CHAINED if name not in NEW_COLUMNS)):
        count += 1
        whole = entry["previous"] == old and entry["digest"] == _digest(old, _old_form(entry))
        altered = entry["id"] if altered is None and not whole else altered
        old = entry["digest"]
        for name in ("tenant_id", "user_id"):  # 0 stood for whoever works at the machine itself
            entry[name] = entry[name] or None
        chain = entry["tenant_id"] or 0
        position, previous = heads.get(chain, (0, GENESIS))
        entry.update(chain=chain, position=position + 1, actor_tenant_id=entry["tenant_id"], previous=previous)
        entry["category"] = _category(entry)
        entry["digest"] = _digest(previous, _new_form(entry))
        _rewrite(bind, entry, (*NEW_COLUMNS, "tenant_id", "user_id", "previous", "digest"))
        heads[chain] = (position + 1, entry["digest"])
    if count:
        heads[0] = _tell(bind, heads.get(0, (0, GENESIS)), {"entries": count, "ended": old, "first_altered": altered})
    for chain, (position, digest) in heads.items():
        bind.execute(sa.insert(HEADS).values(chain=chain, position=position, digest=digest))


def _tell(bind: sa.Connection, head: tuple[int, str], detail: dict[str, Any]) -> tuple[int, str]:
    """The entry that stands for the old chain, so that a damaged one is not made whole in silence."""
    texts = dict.fromkeys(("roles", "address", "session", "object_kind", "object_id", "request_id"), "")
    entry = {
        **texts,
        "chain": 0,
        "position": head[0] + 1,
        "at": datetime.now(UTC),
        "category": "security",
        "tenant_id": None,
        "actor_tenant_id": None,
        "user_id": None,
        "actor_name": "himalia",
        "action": "audit.chain_anew",
        "outcome": "done" if detail["first_altered"] is None else "failed",
        "detail": detail,
    }
    digest = _digest(head[1], _new_form(entry))
    bind.execute(sa.insert(ENTRIES).values(**entry, previous=head[1], digest=digest))
    return head[0] + 1, digest


def _chain_as_one(bind: sa.Connection) -> None:
    previous = GENESIS
    for entry in _entries(bind, tuple(name for name in CHAINED if name not in NEW_COLUMNS)):
        entry.update(previous=previous, digest=_digest(previous, _old_form(entry)))
        _rewrite(bind, entry, ("previous", "digest"))
        previous = entry["digest"]


def _guard_audit() -> None:
    """The database itself refuses: no change of an entry, no removal before its archive."""
    if op.get_bind().dialect.name == "sqlite":
        for table, keep in (("audit_entries", f"WHEN NOT {ARCHIVED} "), ("audit_archives", "")):
            for verb, condition in (("UPDATE", ""), ("DELETE", keep)):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {condition}"
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_entries' THEN IF {ARCHIVED} THEN RETURN OLD; END IF; END IF; "
        "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in AUDIT_TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION audit_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )


def _unguard_audit() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in AUDIT_TABLES:
        for what in ("update", "delete") if sqlite else ("change", "truncate"):
            op.execute(f"DROP TRIGGER {table}_no_{what}" + ("" if sqlite else f" ON {table}"))
    if not sqlite:
        op.execute("DROP FUNCTION audit_append_only()")


# ---- resource specs ---------------------------------------------------------------------------


def _accelerator_kind(resource: str) -> str:
    name = resource.rpartition("/")[2].lower()
    if name.startswith("mig-"):
        return "gpu_mig"
    if "ascend" in name or "npu" in name:
        return "vnpu" if "-" in name else "npu"
    return "gpu"


def _split_specs(bind: sa.Connection) -> None:
    taken = set(bind.execute(sa.select(SPECS.c.name).where(SPECS.c.deleted_at.is_(None))).scalars())
    for spec in list(bind.execute(sa.select(SPECS)).mappings()):
        added = []
        for resource, count in sorted(spec["accelerators"].items()):
            short = resource.rpartition("/")[2]
            name = next(n for n in _names(f"{count} {short}") if spec["deleted_at"] or n not in taken)
            taken.add(name)
            row = {key: value for key, value in spec.items() if key != "id"}
            row |= {"name": name, "kind": _accelerator_kind(resource), "accelerators": {resource: count}}
            row |= {"cpu_millis": 0, "memory_bytes": 0, "disk_bytes": 0}
            added.append(bind.execute(sa.insert(SPECS).values(**row).returning(SPECS.c.id)).scalar_one())
        if added:
            bind.execute(
                sa.update(SPECS).where(SPECS.c.id == spec["id"]).values(accelerators={}, accelerator_label=None)
            )
            bind.execute(
                sa.update(NOTEBOOKS).where(NOTEBOOKS.c.spec_id == spec["id"]).values(accelerator_spec_id=added[0])
            )


def _names(wished: str) -> Iterator[str]:
    """The wished name, then the same with a number, each within 32 characters."""
    yield wished[:32]
    number = 2
    while True:
        end = f" ({number})"
        yield wished[: 32 - len(end)] + end
        number += 1


# ---- tables -----------------------------------------------------------------------------------


def upgrade() -> None:
    op.create_table('audit_archives',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('first_id', sa.BigInteger(), nullable=False),
    sa.Column('last_id', sa.BigInteger(), nullable=False),
    sa.Column('first_at', UtcDateTime(), nullable=False),
    sa.Column('last_at', UtcDateTime(), nullable=False),
    sa.Column('entries', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_archives')),
    sa.UniqueConstraint('first_id', name=op.f('uq_audit_archives_first_id')),
    sa.UniqueConstraint('last_id', name=op.f('uq_audit_archives_last_id'))
    )
    op.create_table('audit_heads',
    sa.Column('chain', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('chain', name=op.f('pk_audit_heads'))
    )
    op.create_table('captchas',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('answer', sa.String(length=16), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('used_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_captchas'))
    )
    op.create_table('message_senders',
    sa.Column('channel', sa.String(length=16), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('sealed_secret', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('channel', name=op.f('pk_message_senders'))
    )
    op.create_table('quota_states',
    sa.Column('level', sa.String(length=16), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('updated_by', sa.String(length=512), nullable=False),
    sa.PrimaryKeyConstraint('level', 'subject_id', name=op.f('pk_quota_states'))
    )
    op.create_table('sign_in_locks',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account', sa.String(length=600), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('until', UtcDateTime(), nullable=False),
    sa.Column('released_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_in_locks'))
    )
    with op.batch_alter_table('sign_in_locks', schema=None) as batch_op:
        batch_op.create_index('ix_sign_in_locks_account', ['account', 'until'], unique=False)
        batch_op.create_index('ix_sign_in_locks_address', ['address', 'until'], unique=False)

    op.create_table('sign_in_sources',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('title', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=200), nullable=False),
    sa.Column('origin', sa.String(length=8), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('sealed_secrets', sa.Text(), nullable=False),
    sa.Column('mapping', sa.JSON(), nullable=False),
    sa.Column('auto_provision', sa.Boolean(), nullable=False),
    sa.Column('allow_private', sa.Boolean(), nullable=False),
    sa.Column('case_sensitive', sa.Boolean(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_in_sources')),
    sa.UniqueConstraint('name', name=op.f('uq_sign_in_sources_name'))
    )
    op.create_table('groups',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('external_name', sa.String(length=512), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_groups_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_groups')),
    sa.UniqueConstraint('tenant_id', 'name', name=op.f('uq_groups_tenant_id_name')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_groups_tenant_id_number'))
    )
    op.create_table('roles',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('name_key', sa.String(length=64), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('permissions', sa.JSON(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_roles_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_roles')),
    sa.UniqueConstraint('number', name=op.f('uq_roles_number')),
    sa.UniqueConstraint('tenant_id', 'name_key', name=op.f('uq_roles_tenant_id_name_key'))
    )
    with op.batch_alter_table('roles', schema=None) as batch_op:
        batch_op.create_index('uq_roles_platform_name', ['name_key'], unique=True, sqlite_where=sa.text('tenant_id IS NULL'), postgresql_where=sa.text('tenant_id IS NULL'))

    op.create_table('group_roles',
    sa.Column('group_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('role', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['groups.id'], name=op.f('fk_group_roles_group_id')),
    sa.PrimaryKeyConstraint('group_id', 'role', name=op.f('pk_group_roles'))
    )
    op.create_table('contacts',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('channel', sa.String(length=16), nullable=False),
    sa.Column('address', sa.String(length=320), nullable=False),
    sa.Column('confirmed_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_contacts_user_id')),
    sa.PrimaryKeyConstraint('user_id', 'channel', name=op.f('pk_contacts'))
    )
    op.create_table('external_identities',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('subject', sa.String(length=512), nullable=False),
    sa.Column('roles', sa.JSON(), nullable=False),
    sa.Column('groups', sa.JSON(), nullable=False),
    sa.Column('department', sa.String(length=255), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_external_identities_user_id')),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_external_identities'))
    )
    op.create_table('group_members',
    sa.Column('group_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['groups.id'], name=op.f('fk_group_members_group_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_group_members_user_id')),
    sa.PrimaryKeyConstraint('group_id', 'user_id', name=op.f('pk_group_members'))
    )
    with op.batch_alter_table('group_members', schema=None) as batch_op:
        batch_op.create_index('ix_group_members_user', ['user_id'], unique=False)

    op.create_table('one_time_codes',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('purpose', sa.String(length=16), nullable=False),
    sa.Column('channel', sa.String(length=16), nullable=False),
    sa.Column('address', sa.String(length=320), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('failures', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('used_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_one_time_codes_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_one_time_codes'))
    )
    with op.batch_alter_table('one_time_codes', schema=None) as batch_op:
        batch_op.create_index('ix_one_time_codes_user', ['user_id', 'purpose', 'id'], unique=False)

    op.create_table('password_records',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_password_records_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_password_records'))
    )
    with op.batch_alter_table('password_records', schema=None) as batch_op:
        batch_op.create_index('ix_password_records_user', ['user_id', 'id'], unique=False)

    op.create_table('presences',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('told_epoch', sa.BigInteger(), nullable=False),
    sa.Column('active_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_presences_user_id')),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_presences'))
    )
    with op.batch_alter_table('presences', schema=None) as batch_op:
        batch_op.create_index('ix_presences_active', ['active_at'], unique=False)

    op.create_table('privacy_acceptances',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('edition', sa.BigInteger(), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_privacy_acceptances_user_id')),
    sa.PrimaryKeyConstraint('user_id', 'edition', name=op.f('pk_privacy_acceptances'))
    )
    op.create_table('recovery_codes',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('used_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_recovery_codes_user_id')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_recovery_codes'))
    )
    with op.batch_alter_table('recovery_codes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_recovery_codes_user_id'), ['user_id'], unique=False)

    op.create_table('second_factors',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('method', sa.String(length=16), nullable=False),
    sa.Column('sealed_secret', sa.String(length=512), nullable=False),
    sa.Column('last_step', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('confirmed_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_second_factors_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_second_factors')),
    sa.UniqueConstraint('user_id', 'method', name=op.f('uq_second_factors_user_id_method'))
    )
    op.create_table('shares',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('object_kind', sa.String(length=32), nullable=False),
    sa.Column('object_id', sa.BigInteger(), nullable=False),
    sa.Column('receiver_kind', sa.String(length=16), nullable=False),
    sa.Column('receiver_id', sa.BigInteger(), nullable=False),
    sa.Column('access', sa.BigInteger(), nullable=False),
    sa.Column('shared_by', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['shared_by'], ['users.id'], name=op.f('fk_shares_shared_by')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_shares_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shares')),
    sa.UniqueConstraint('object_kind', 'object_id', 'receiver_kind', 'receiver_id', name=op.f('uq_shares_object_kind_object_id_receiver_kind_receiver_id')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_shares_tenant_id_number'))
    )
    with op.batch_alter_table('shares', schema=None) as batch_op:
        batch_op.create_index('ix_shares_receiver', ['tenant_id', 'object_kind', 'receiver_kind', 'receiver_id', 'object_id'], unique=False)

    op.create_table('sign_in_challenges',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('via', sa.String(length=16), nullable=False),
    sa.Column('factor_passed', sa.Boolean(), nullable=False),
    sa.Column('must_set_password', sa.Boolean(), nullable=False),
    sa.Column('password_digest', sa.String(length=64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('used_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_sign_in_challenges_user_id')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_sign_in_challenges'))
    )
    op.create_table('sign_in_marks',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('this_at', UtcDateTime(), nullable=False),
    sa.Column('this_address', sa.String(length=64), nullable=False),
    sa.Column('last_at', UtcDateTime(), nullable=True),
    sa.Column('last_address', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_sign_in_marks_user_id')),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_sign_in_marks'))
    )
    op.create_table('member_imports',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('task_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('dry_run', sa.Boolean(), nullable=False),
    sa.Column('encoding', sa.String(length=16), nullable=False),
    sa.Column('rows', sa.JSON(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['task_id'], ['tasks.id'], name=op.f('fk_member_imports_task_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_member_imports_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_member_imports')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_member_imports_tenant_id_number'))
    )
    op.create_table('member_import_lines',
    sa.Column('import_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('line', sa.BigInteger(), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=512), nullable=False),
    sa.Column('problems', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['import_id'], ['member_imports.id'], name=op.f('fk_member_import_lines_import_id')),
    sa.PrimaryKeyConstraint('import_id', 'line', name=op.f('pk_member_import_lines'))
    )
    with op.batch_alter_table('audit_entries', schema=None) as batch_op:
        batch_op.add_column(sa.Column('chain', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('position', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('category', sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column('actor_tenant_id', sa.BigInteger(), nullable=True))
    _chain_by_organisation(op.get_bind())
    with op.batch_alter_table('audit_entries', schema=None, table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.alter_column('chain', existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column('position', existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column('category', existing_type=sa.String(length=16), nullable=False)
        batch_op.drop_index(batch_op.f('ix_audit_entries_tenant'))
        batch_op.create_index('ix_audit_entries_tenant', ['tenant_id', 'id'], unique=False)
        batch_op.drop_index(batch_op.f('ix_audit_entries_user'))
        batch_op.create_index('ix_audit_entries_user', ['user_id', 'id'], unique=False)
        batch_op.create_index('ix_audit_entries_action', ['action', 'id'], unique=False)
        batch_op.create_index('ix_audit_entries_at', ['at'], unique=False)
        batch_op.create_unique_constraint(batch_op.f('uq_audit_entries_chain_position'), ['chain', 'position'])
    _guard_audit()

    with op.batch_alter_table('departments', schema=None) as batch_op:
        batch_op.add_column(sa.Column('deleted_at', UtcDateTime(), nullable=True))

    with op.batch_alter_table('notebooks', schema=None) as batch_op:
        batch_op.add_column(sa.Column('accelerator_spec_id', sa.BigInteger(), nullable=True))

    with op.batch_alter_table('resource_specs', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kind', sa.String(length=16), nullable=False, server_default='basic'))
    _split_specs(op.get_bind())

    with op.batch_alter_table('tenants', schema=None) as batch_op:
        batch_op.add_column(sa.Column('closed_at', UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('deleted_at', UtcDateTime(), nullable=True))

    with op.batch_alter_table('user_roles', schema=None) as batch_op:
        batch_op.add_column(sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.create_index('ix_user_roles_role', ['role'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_user_roles_department_id'), 'departments', ['department_id'], ['id'])

    op.add_column('users', sa.Column('session_epoch', sa.BigInteger(), nullable=False, server_default='1'))
    op.execute('UPDATE users SET session_epoch = epoch')
    op.add_column('users', sa.Column('guest', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.add_column(sa.Column('deleted_at', UtcDateTime(), nullable=True))
        batch_op.create_index('ix_users_department', ['department_id'], unique=False)
        batch_op.create_index('ix_users_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('ix_users_all_updated', ['updated_at', 'id'], unique=False, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.create_index('ix_users_all_name', ['name', 'id'], unique=False, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))



def downgrade() -> None:
    # Not by batch: SQLite would drop and make again tables that others refer to.
    _unguard_audit()
    op.drop_index('ix_users_all_name', 'users')
    op.drop_index('ix_users_all_updated', 'users')
    op.drop_index('ix_users_updated', 'users')
    op.drop_index('ix_users_department', 'users')
    op.execute('ALTER TABLE users DROP COLUMN deleted_at')
    op.execute('UPDATE users SET epoch = CASE WHEN epoch > session_epoch THEN epoch ELSE session_epoch END')
    op.execute('ALTER TABLE users DROP COLUMN session_epoch')
    op.execute('ALTER TABLE users DROP COLUMN guest')

    with op.batch_alter_table('user_roles', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_user_roles_department_id'), type_='foreignkey')
        batch_op.drop_index('ix_user_roles_role')
        batch_op.drop_column('department_id')

    op.execute('ALTER TABLE tenants DROP COLUMN deleted_at')
    op.execute('ALTER TABLE tenants DROP COLUMN closed_at')

    op.execute('ALTER TABLE resource_specs DROP COLUMN kind')

    op.execute('ALTER TABLE notebooks DROP COLUMN accelerator_spec_id')

    op.execute('ALTER TABLE departments DROP COLUMN deleted_at')

    with op.batch_alter_table('audit_entries', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_audit_entries_chain_position'), type_='unique')
        batch_op.drop_index('ix_audit_entries_at')
        batch_op.drop_index('ix_audit_entries_action')
        batch_op.drop_index('ix_audit_entries_user')
        batch_op.create_index(batch_op.f('ix_audit_entries_user'), ['user_id', 'at'], unique=False)
        batch_op.drop_index('ix_audit_entries_tenant')
        batch_op.create_index(batch_op.f('ix_audit_entries_tenant'), ['tenant_id', 'at'], unique=False)
        batch_op.drop_column('actor_tenant_id')
        batch_op.drop_column('category')
        batch_op.drop_column('position')
        batch_op.drop_column('chain')
    _chain_as_one(op.get_bind())

    op.drop_table('member_import_lines')
    op.drop_table('member_imports')
    op.drop_table('sign_in_marks')
    op.drop_table('sign_in_challenges')
    with op.batch_alter_table('shares', schema=None) as batch_op:
        batch_op.drop_index('ix_shares_receiver')

    op.drop_table('shares')
    op.drop_table('second_factors')
    with op.batch_alter_table('recovery_codes', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_recovery_codes_user_id'))

    op.drop_table('recovery_codes')
    op.drop_table('privacy_acceptances')
    with op.batch_alter_table('presences', schema=None) as batch_op:
        batch_op.drop_index('ix_presences_active')

    op.drop_table('presences')
    with op.batch_alter_table('password_records', schema=None) as batch_op:
        batch_op.drop_index('ix_password_records_user')

    op.drop_table('password_records')
    with op.batch_alter_table('one_time_codes', schema=None) as batch_op:
        batch_op.drop_index('ix_one_time_codes_user')

    op.drop_table('one_time_codes')
    with op.batch_alter_table('group_members', schema=None) as batch_op:
        batch_op.drop_index('ix_group_members_user')

    op.drop_table('group_members')
    op.drop_table('external_identities')
    op.drop_table('contacts')
    op.drop_table('group_roles')
    with op.batch_alter_table('roles', schema=None) as batch_op:
        batch_op.drop_index('uq_roles_platform_name', sqlite_where=sa.text('tenant_id IS NULL'), postgresql_where=sa.text('tenant_id IS NULL'))

    op.drop_table('roles')
    op.drop_table('groups')
    op.drop_table('sign_in_sources')
    with op.batch_alter_table('sign_in_locks', schema=None) as batch_op:
        batch_op.drop_index('ix_sign_in_locks_address')
        batch_op.drop_index('ix_sign_in_locks_account')

    op.drop_table('sign_in_locks')
    op.drop_table('quota_states')
    op.drop_table('message_senders')
    op.drop_table('captchas')
    op.drop_table('audit_heads')
    op.drop_table('audit_archives')
