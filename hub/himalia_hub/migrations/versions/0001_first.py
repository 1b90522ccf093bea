"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from himalia_hub.core.db import UtcDateTime

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


APPEND_ONLY = ("ledger_entries", "price_entries")
"""The database itself refuses to change or remove these tables' rows."""


def _make_append_only() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in APPEND_ONLY:
        if sqlite:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            continue
        op.execute(
            f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()"
        )


def upgrade() -> None:
    op.create_table('audit_entries',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('tenant_id', sa.BigInteger(), nullable=True),
    sa.Column('user_id', sa.BigInteger(), nullable=True),
    sa.Column('actor_name', sa.String(length=512), nullable=False),
    sa.Column('roles', sa.String(length=512), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('session', sa.String(length=128), nullable=False),
    sa.Column('action', sa.String(length=128), nullable=False),
    sa.Column('object_kind', sa.String(length=64), nullable=False),
    sa.Column('object_id', sa.String(length=128), nullable=False),
    sa.Column('outcome', sa.String(length=32), nullable=False),
    sa.Column('detail', sa.JSON(), nullable=False),
    sa.Column('request_id', sa.String(length=64), nullable=False),
    sa.Column('previous', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entries')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('audit_entries', schema=None) as batch_op:
        batch_op.create_index('ix_audit_entries_tenant', ['tenant_id', 'at'], unique=False)
        batch_op.create_index('ix_audit_entries_user', ['user_id', 'at'], unique=False)

    op.create_table('changes',
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('tenant_id', sa.BigInteger(), nullable=False),
    sa.Column('department_id', sa.BigInteger(), nullable=True),
    sa.Column('owner_id', sa.BigInteger(), nullable=True),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('op', sa.String(length=16), nullable=False),
    sa.PrimaryKeyConstraint('position', name=op.f('pk_changes')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('changes', schema=None) as batch_op:
        batch_op.create_index('ix_changes_tenant', ['tenant_id', 'position'], unique=False)

    op.create_table('counters',
    sa.Column('tenant_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'kind', name=op.f('pk_counters'))
    )
    op.create_table('dataset_item_labels',
    sa.Column('dataset_id', sa.BigInteger(), nullable=False),
    sa.Column('label_id', sa.BigInteger(), nullable=False),
    sa.Column('item', sa.BigInteger(), nullable=False),
    sa.Column('valid_from', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('dataset_id', 'label_id', 'item', 'valid_from', name=op.f('pk_dataset_item_labels')),
    sqlite_with_rowid=False
    )
    op.create_table('idempotency_records',
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.String(length=128), nullable=False),
    sa.Column('request_digest', sa.String(length=64), nullable=False),
    sa.Column('status', sa.BigInteger(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('headers', sa.JSON(), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'key', name=op.f('pk_idempotency_records'))
    )
    op.create_table('leases',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('holder', sa.String(length=128), nullable=False),
    sa.Column('epoch', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_leases'))
    )
    op.create_table('metering_cursors',
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('fact_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_metering_cursors'))
    )
    op.create_table('price_entries',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('resource', sa.String(length=128), nullable=False),
    sa.Column('section', sa.String(length=32), nullable=False),
    sa.Column('picos_per_hour', sa.BigInteger(), nullable=False),
    sa.Column('valid_from', UtcDateTime(), nullable=False),
    sa.Column('set_at', UtcDateTime(), nullable=False),
    sa.Column('set_by_id', sa.BigInteger(), nullable=False),
    sa.Column('set_by', sa.String(length=512), nullable=False),
    sa.CheckConstraint('picos_per_hour >= 0', name=op.f('ck_price_entries_not_negative')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_price_entries')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('price_entries', schema=None) as batch_op:
        batch_op.create_index('ix_price_entries_resource', ['resource', 'section', 'valid_from', 'id'], unique=False)

    op.create_table('quota_limits',
    sa.Column('level', sa.String(length=16), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('resource', sa.String(length=128), nullable=False),
    sa.Column('nominal', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('level', 'subject_id', 'resource', name=op.f('pk_quota_limits'))
    )
    op.create_table('resource_specs',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('scenario', sa.String(length=32), nullable=False),
    sa.Column('cpu_millis', sa.BigInteger(), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('disk_bytes', sa.BigInteger(), nullable=False),
    sa.Column('accelerators', sa.JSON(), nullable=False),
    sa.Column('accelerator_label', sa.String(length=64), nullable=True),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_resource_specs')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('resource_specs', schema=None) as batch_op:
        batch_op.create_index('uq_resource_specs_live_name', ['name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('settings',
    sa.Column('key', sa.String(length=128), nullable=False),
    sa.Column('value', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_settings'))
    )
    op.create_table('sign_in_attempts',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account', sa.String(length=600), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_in_attempts'))
    )
    with op.batch_alter_table('sign_in_attempts', schema=None) as batch_op:
        batch_op.create_index('ix_sign_in_attempts_account', ['account', 'address', 'at'], unique=False)
        batch_op.create_index('ix_sign_in_attempts_address', ['address', 'at'], unique=False)

    op.create_table('tenants',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.String(length=32), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('valid_until', UtcDateTime(), nullable=True),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tenants')),
    sa.UniqueConstraint('code', name=op.f('uq_tenants_code')),
    sa.UniqueConstraint('name', name=op.f('uq_tenants_name'))
    )
    op.create_table('thumbnails',
    sa.Column('tenant_id', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('thumbnail', sa.String(length=64), nullable=False),
    sa.Column('media_type', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_thumbnails')),
    sqlite_with_rowid=False
    )
    op.create_table('usage_facts',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('fact', sa.String(length=16), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('recorded_at', UtcDateTime(), nullable=False),
    sa.Column('workload_id', sa.BigInteger(), nullable=False),
    sa.Column('attempt', sa.BigInteger(), nullable=False),
    sa.Column('replica', sa.BigInteger(), nullable=False),
    sa.Column('opened_at', UtcDateTime(), nullable=False),
    sa.Column('tenant_id', sa.BigInteger(), nullable=False),
    sa.Column('department_id', sa.BigInteger(), nullable=True),
    sa.Column('owner_id', sa.BigInteger(), nullable=False),
    sa.Column('workload_number', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('object_kind', sa.String(length=64), nullable=False),
    sa.Column('object_number', sa.BigInteger(), nullable=False),
    sa.Column('object_name', sa.String(length=255), nullable=False),
    sa.Column('section', sa.String(length=32), nullable=False),
    sa.Column('node', sa.String(length=255), nullable=False),
    sa.Column('cpu_millis', sa.BigInteger(), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('accelerators', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_facts')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('usage_facts', schema=None) as batch_op:
        batch_op.create_index('ix_usage_facts_interval', ['workload_id', 'attempt', 'replica', 'id'], unique=False)
        batch_op.create_index('uq_usage_facts_edges', ['workload_id', 'attempt', 'replica', 'fact'], unique=True, sqlite_where=sa.text("fact IN ('opened', 'closed')"), postgresql_where=sa.text("fact IN ('opened', 'closed')"))

    op.create_table('departments',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_departments_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_departments')),
    sa.UniqueConstraint('tenant_id', 'name', name=op.f('uq_departments_tenant_id_name')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_departments_tenant_id_number'))
    )
    op.create_table('holds',
    sa.Column('workload_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger(), nullable=True),
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('section', sa.String(length=32), nullable=False),
    sa.Column('replicas', sa.BigInteger(), nullable=False),
    sa.Column('cpu_millis', sa.BigInteger(), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('accelerators', sa.JSON(), nullable=False),
    sa.Column('amount_micros', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.CheckConstraint('amount_micros >= 0', name=op.f('ck_holds_not_negative')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_holds_tenant_id')),
    sa.PrimaryKeyConstraint('workload_id', name=op.f('pk_holds'))
    )
    with op.batch_alter_table('holds', schema=None) as batch_op:
        batch_op.create_index('ix_holds_tenant', ['tenant_id'], unique=False)

    op.create_table('ledger_accounts',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('balance_micros', sa.BigInteger(), nullable=False),
    sa.Column('held_micros', sa.BigInteger(), nullable=False),
    sa.Column('arrears_since', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_ledger_accounts_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_accounts')),
    sa.UniqueConstraint('key', name=op.f('uq_ledger_accounts_key')),
    sa.UniqueConstraint('tenant_id', name=op.f('uq_ledger_accounts_tenant_id'))
    )
    op.create_table('storage_usage',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger(), nullable=True),
    sa.Column('owner_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_storage_usage_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_storage_usage'))
    )
    with op.batch_alter_table('storage_usage', schema=None) as batch_op:
        batch_op.create_index('ix_storage_usage_owner', ['tenant_id', 'owner_id'], unique=False)

    op.create_table('stored_objects',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=160), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_stored_objects_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stored_objects')),
    sa.UniqueConstraint('key', name=op.f('uq_stored_objects_key'))
    )
    with op.batch_alter_table('stored_objects', schema=None) as batch_op:
        batch_op.create_index('ix_stored_objects_tenant', ['tenant_id', 'id'], unique=False)

    op.create_table('usage_intervals',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('workload_id', sa.BigInteger(), nullable=False),
    sa.Column('attempt', sa.BigInteger(), nullable=False),
    sa.Column('replica', sa.BigInteger(), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger(), nullable=True),
    sa.Column('owner_id', sa.BigInteger(), nullable=False),
    sa.Column('workload_number', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('object_kind', sa.String(length=64), nullable=False),
    sa.Column('object_number', sa.BigInteger(), nullable=False),
    sa.Column('object_name', sa.String(length=255), nullable=False),
    sa.Column('section', sa.String(length=32), nullable=False),
    sa.Column('node', sa.String(length=255), nullable=False),
    sa.Column('cpu_millis', sa.BigInteger(), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('accelerators', sa.JSON(), nullable=False),
    sa.Column('opened_at', UtcDateTime(), nullable=False),
    sa.Column('until', UtcDateTime(), nullable=False),
    sa.Column('ended', sa.Boolean(), nullable=False),
    sa.Column('corrected_by', sa.BigInteger(), nullable=False),
    sa.Column('fact_id', sa.BigInteger(), nullable=False),
    sa.Column('pending', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_usage_intervals_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_intervals')),
    sa.UniqueConstraint('workload_id', 'attempt', 'replica', name=op.f('uq_usage_intervals_workload_id_attempt_replica'))
    )
    with op.batch_alter_table('usage_intervals', schema=None) as batch_op:
        batch_op.create_index('ix_usage_intervals_open', ['tenant_id'], unique=False, sqlite_where=sa.text('NOT ended'), postgresql_where=sa.text('NOT ended'))
        batch_op.create_index('ix_usage_intervals_pending', ['tenant_id', 'workload_id'], unique=False, sqlite_where=sa.text('pending'), postgresql_where=sa.text('pending'))

    op.create_table('blobs',
    sa.Column('tenant_id', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('object_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('offset', sa.BigInteger(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['object_id'], ['stored_objects.id'], name=op.f('fk_blobs_object_id')),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_blobs')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('blobs', schema=None) as batch_op:
        batch_op.create_index('ix_blobs_object', ['object_id'], unique=False)

    op.create_table('ledger_entries',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('debit_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('credit_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('amount_micros', sa.BigInteger(), nullable=False),
    sa.Column('balance_after_micros', sa.BigInteger(), nullable=False),
    sa.Column('idempotency_key', sa.String(length=200), nullable=False),
    sa.Column('note', sa.String(length=255), nullable=False),
    sa.Column('user_id', sa.BigInteger(), nullable=True),
    sa.Column('user_name', sa.String(length=512), nullable=False),
    sa.Column('department_id', sa.BigInteger(), nullable=True),
    sa.Column('bill_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('amount_micros > 0', name=op.f('ck_ledger_entries_positive')),
    sa.CheckConstraint('debit_account_id <> credit_account_id', name=op.f('ck_ledger_entries_two_accounts')),
    sa.ForeignKeyConstraint(['credit_account_id'], ['ledger_accounts.id'], name=op.f('fk_ledger_entries_credit_account_id')),
    sa.ForeignKeyConstraint(['debit_account_id'], ['ledger_accounts.id'], name=op.f('fk_ledger_entries_debit_account_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_ledger_entries_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_entries')),
    sa.UniqueConstraint('idempotency_key', name=op.f('uq_ledger_entries_idempotency_key')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_ledger_entries_tenant_id_number')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('ledger_entries', schema=None) as batch_op:
        batch_op.create_index('ix_ledger_entries_bill', ['bill_id'], unique=False)
        batch_op.create_index('ix_ledger_entries_tenant_at', ['tenant_id', 'at'], unique=False)

    op.create_table('users',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=512), nullable=False),
    sa.Column('name_key', sa.String(length=512), nullable=False),
    sa.Column('hub_name', sa.String(length=32), nullable=False),
    sa.Column('display_name', sa.String(length=255), nullable=False),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('epoch', sa.BigInteger(), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=True),
    sa.Column('password_changed_at', UtcDateTime(), nullable=True),
    sa.Column('must_change_password', sa.Boolean(), nullable=False),
    sa.Column('last_sign_in_at', UtcDateTime(), nullable=True),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_users_department_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_users_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users')),
    sa.UniqueConstraint('hub_name', name=op.f('uq_users_hub_name')),
    sa.UniqueConstraint('source', 'name_key', name=op.f('uq_users_source_name_key')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_users_tenant_id_number'))
    )
    op.create_table('bills',
    sa.Column('workload_id', sa.BigInteger(), nullable=False),
    sa.Column('workload_number', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('section', sa.String(length=32), nullable=False),
    sa.Column('object_kind', sa.String(length=64), nullable=False),
    sa.Column('object_number', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('started_at', UtcDateTime(), nullable=False),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('settled_at', UtcDateTime(), nullable=True),
    sa.Column('cpu_millis', sa.BigInteger(), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('accelerators', sa.JSON(), nullable=False),
    sa.Column('replicas', sa.BigInteger(), nullable=False),
    sa.Column('nodes', sa.JSON(), nullable=False),
    sa.Column('charged_micros', sa.BigInteger(), nullable=False),
    sa.Column('charged_until', UtcDateTime(), nullable=False),
    sa.Column('charged_fact_id', sa.BigInteger(), nullable=False),
    sa.Column('corrections', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_bills_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_bills_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_bills_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bills')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_bills_tenant_id_number')),
    sa.UniqueConstraint('workload_id', name=op.f('uq_bills_workload_id'))
    )
    with op.batch_alter_table('bills', schema=None) as batch_op:
        batch_op.create_index('ix_bills_object', ['tenant_id', 'object_kind', 'object_number'], unique=False)
        batch_op.create_index('ix_bills_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_bills_started', ['tenant_id', 'started_at'], unique=False)
        batch_op.create_index('ix_bills_state', ['state', 'tenant_id'], unique=False)
        batch_op.create_index('ix_bills_updated', ['tenant_id', 'updated_at'], unique=False)

    op.create_table('inference_services',
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('slug', sa.String(length=64), nullable=False),
    sa.Column('wanted', sa.String(length=16), nullable=False),
    sa.Column('phase', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=True),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('message_zh', sa.Text(), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('live_revision', sa.BigInteger(), nullable=True),
    sa.Column('calls_total', sa.BigInteger(), nullable=False),
    sa.Column('calls_failed', sa.BigInteger(), nullable=False),
    sa.Column('last_key', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_inference_services_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_inference_services_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_inference_services_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inference_services')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_inference_services_tenant_id_number'))
    )
    with op.batch_alter_table('inference_services', schema=None) as batch_op:
        batch_op.create_index('ix_inference_services_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_inference_services_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('uq_inference_services_live_name', ['owner_id', 'name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.create_index('uq_inference_services_live_slug', ['tenant_id', 'slug'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('jobs',
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('type', sa.String(length=16), nullable=False),
    sa.Column('script', sa.Boolean(), nullable=False),
    sa.Column('last_index', sa.BigInteger(), nullable=False),
    sa.Column('last_run_id', sa.BigInteger(), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_jobs_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_jobs_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_jobs_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_jobs')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_jobs_tenant_id_number'))
    )
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.create_index('ix_jobs_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_jobs_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('uq_jobs_live_name', ['owner_id', 'name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('label_groups',
    sa.Column('type', sa.String(length=16), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('labels', sa.JSON(), nullable=False),
    sa.Column('retired', sa.JSON(), nullable=False),
    sa.Column('last_label', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_label_groups_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_label_groups_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_label_groups_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_label_groups')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_label_groups_tenant_id_number'))
    )
    with op.batch_alter_table('label_groups', schema=None) as batch_op:
        batch_op.create_index('ix_label_groups_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_label_groups_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('uq_label_groups_live_name', ['owner_id', 'name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('models',
    sa.Column('framework', sa.String(length=32), nullable=False),
    sa.Column('format', sa.String(length=32), nullable=False),
    sa.Column('category', sa.String(length=64), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('last_version', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_models_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_models_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_models_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_models')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_models_tenant_id_number'))
    )
    with op.batch_alter_table('models', schema=None) as batch_op:
        batch_op.create_index('ix_models_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_models_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('uq_models_live_name', ['owner_id', 'name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('sign_in_links',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('used_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_sign_in_links_user_id')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_sign_in_links'))
    )
    op.create_table('step_ups',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('session', sa.String(length=128), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_step_ups_user_id')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_step_ups'))
    )
    op.create_table('tasks',
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('object_kind', sa.String(length=64), nullable=False),
    sa.Column('object_number', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('cancel_requested', sa.Boolean(), nullable=False),
    sa.Column('done', sa.BigInteger(), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=True),
    sa.Column('unit', sa.String(length=16), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('payload', sa.JSON(), nullable=False),
    sa.Column('result', sa.JSON(), nullable=True),
    sa.Column('error', sa.JSON(), nullable=True),
    sa.Column('started_at', UtcDateTime(), nullable=True),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_tasks_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_tasks_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_tasks_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tasks')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_tasks_tenant_id_number'))
    )
    with op.batch_alter_table('tasks', schema=None) as batch_op:
        batch_op.create_index('ix_tasks_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_tasks_state', ['state', 'kind'], unique=False)
        batch_op.create_index('ix_tasks_updated', ['tenant_id', 'updated_at'], unique=False)

    op.create_table('tokens',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('prefix', sa.String(length=16), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=True),
    sa.Column('reach', sa.BigInteger(), nullable=False),
    sa.Column('workload_id', sa.BigInteger(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=True),
    sa.Column('revoked_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_tokens_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tokens')),
    sa.UniqueConstraint('digest', name=op.f('uq_tokens_digest'))
    )
    with op.batch_alter_table('tokens', schema=None) as batch_op:
        batch_op.create_index('ix_tokens_user', ['user_id', 'kind'], unique=False)
        batch_op.create_index('ix_tokens_workload', ['workload_id'], unique=False)

    op.create_table('user_roles',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('role', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_user_roles_user_id')),
    sa.PrimaryKeyConstraint('user_id', 'role', name=op.f('pk_user_roles'))
    )
    op.create_table('workloads',
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('object_kind', sa.String(length=64), nullable=False),
    sa.Column('object_number', sa.BigInteger(), nullable=False),
    sa.Column('section', sa.String(length=32), nullable=False),
    sa.Column('wanted', sa.String(length=16), nullable=False),
    sa.Column('phase', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=True),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('message_zh', sa.Text(), nullable=False),
    sa.Column('phase_since', UtcDateTime(), nullable=False),
    sa.Column('priority', sa.BigInteger(), nullable=False),
    sa.Column('start_at', UtcDateTime(), nullable=True),
    sa.Column('deadline_seconds', sa.BigInteger(), nullable=True),
    sa.Column('spec', sa.JSON(), nullable=False),
    sa.Column('cpu_millis', sa.BigInteger(), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('disk_bytes', sa.BigInteger(), nullable=False),
    sa.Column('accelerators', sa.JSON(), nullable=False),
    sa.Column('replicas', sa.BigInteger(), nullable=False),
    sa.Column('price_per_hour_micros', sa.BigInteger(), nullable=False),
    sa.Column('admitted_at', UtcDateTime(), nullable=True),
    sa.Column('attempt', sa.BigInteger(), nullable=False),
    sa.Column('attempt_at', UtcDateTime(), nullable=True),
    sa.Column('failures', sa.BigInteger(), nullable=False),
    sa.Column('not_before', UtcDateTime(), nullable=True),
    sa.Column('stop_reason', sa.String(length=32), nullable=True),
    sa.Column('stop_message', sa.Text(), nullable=False),
    sa.Column('stop_message_zh', sa.Text(), nullable=False),
    sa.Column('stop_at', UtcDateTime(), nullable=True),
    sa.Column('grace_seconds', sa.BigInteger(), nullable=False),
    sa.Column('replicas_ready', sa.BigInteger(), nullable=False),
    sa.Column('endpoints', sa.JSON(), nullable=False),
    sa.Column('steps', sa.JSON(), nullable=False),
    sa.Column('last_lines', sa.JSON(), nullable=False),
    sa.Column('exit_code', sa.BigInteger(), nullable=True),
    sa.Column('started_at', UtcDateTime(), nullable=True),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_workloads_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_workloads_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_workloads_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_workloads')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_workloads_tenant_id_number'))
    )
    with op.batch_alter_table('workloads', schema=None) as batch_op:
        batch_op.create_index('ix_workloads_ended', ['ended_at'], unique=False)
        batch_op.create_index('ix_workloads_live', ['phase', 'priority', 'id'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.create_index('ix_workloads_object', ['tenant_id', 'object_kind', 'object_number'], unique=False)
        batch_op.create_index('ix_workloads_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_workloads_updated', ['tenant_id', 'updated_at'], unique=False)

    op.create_table('bill_lines',
    sa.Column('bill_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('correction', sa.BigInteger(), nullable=False),
    sa.Column('resource', sa.String(length=128), nullable=False),
    sa.Column('picos_per_hour', sa.BigInteger(), nullable=False),
    sa.Column('quantity', sa.BigInteger(), nullable=False),
    sa.Column('microseconds', sa.BigInteger(), nullable=False),
    sa.Column('amount_micros', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['bill_id'], ['bills.id'], name=op.f('fk_bill_lines_bill_id')),
    sa.PrimaryKeyConstraint('bill_id', 'correction', 'resource', 'picos_per_hour', 'quantity', name=op.f('pk_bill_lines'))
    )
    op.create_table('datasets',
    sa.Column('data_type', sa.String(length=16), nullable=False),
    sa.Column('annotation_type', sa.String(length=32), nullable=False),
    sa.Column('multi_label', sa.Boolean(), nullable=False),
    sa.Column('label_group_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('scenario', sa.String(length=64), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('pinned', sa.Boolean(), nullable=False),
    sa.Column('draft_revision', sa.BigInteger(), nullable=False),
    sa.Column('last_item', sa.BigInteger(), nullable=False),
    sa.Column('last_version', sa.BigInteger(), nullable=False),
    sa.Column('current_version', sa.BigInteger(), nullable=True),
    sa.Column('import_failed', sa.Boolean(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_datasets_department_id')),
    sa.ForeignKeyConstraint(['label_group_id'], ['label_groups.id'], name=op.f('fk_datasets_label_group_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_datasets_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_datasets_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_datasets')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_datasets_tenant_id_number'))
    )
    with op.batch_alter_table('datasets', schema=None) as batch_op:
        batch_op.create_index('ix_datasets_label_group', ['label_group_id'], unique=False)
        batch_op.create_index('ix_datasets_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_datasets_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('uq_datasets_live_name', ['owner_id', 'name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('model_versions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger(), nullable=False),
    sa.Column('model_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('manifest', sa.String(length=64), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('signature', sa.JSON(), nullable=True),
    sa.Column('labels', sa.JSON(), nullable=True),
    sa.Column('metrics', sa.JSON(), nullable=False),
    sa.Column('lineage', sa.JSON(), nullable=False),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.Column('pickled', sa.Boolean(), nullable=False),
    sa.Column('author_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['model_id'], ['models.id'], name=op.f('fk_model_versions_model_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_model_versions')),
    sa.UniqueConstraint('model_id', 'number', name=op.f('uq_model_versions_model_id_number'))
    )
    op.create_table('notebooks',
    sa.Column('server_name', sa.String(length=64), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('spec_id', sa.BigInteger(), nullable=False),
    sa.Column('environment', sa.String(length=64), nullable=False),
    sa.Column('bindings', sa.JSON(), nullable=False),
    sa.Column('stop_when_idle_seconds', sa.BigInteger(), nullable=True),
    sa.Column('workload_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('phase', sa.String(length=16), nullable=False),
    sa.Column('starts', sa.BigInteger(), nullable=False),
    sa.Column('start_seconds', sa.Double(), nullable=True),
    sa.Column('hub_state', sa.String(length=16), nullable=False),
    sa.Column('cleaned_at', UtcDateTime(), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_notebooks_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_notebooks_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_notebooks_tenant_id')),
    sa.ForeignKeyConstraint(['workload_id'], ['workloads.id'], name=op.f('fk_notebooks_workload_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notebooks')),
    sa.UniqueConstraint('owner_id', 'server_name', name=op.f('uq_notebooks_owner_id_server_name')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_notebooks_tenant_id_number'))
    )
    with op.batch_alter_table('notebooks', schema=None) as batch_op:
        batch_op.create_index('ix_notebooks_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_notebooks_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('ix_notebooks_workload', ['workload_id'], unique=False)
        batch_op.create_index('uq_notebooks_live_name', ['owner_id', 'name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('quota_reservations',
    sa.Column('workload_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('resource', sa.String(length=128), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('tenant_id', sa.BigInteger(), nullable=False),
    sa.Column('department_id', sa.BigInteger(), nullable=True),
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['workload_id'], ['workloads.id'], name=op.f('fk_quota_reservations_workload_id')),
    sa.PrimaryKeyConstraint('workload_id', 'resource', name=op.f('pk_quota_reservations'))
    )
    with op.batch_alter_table('quota_reservations', schema=None) as batch_op:
        batch_op.create_index('ix_quota_reservations_department', ['department_id', 'resource'], unique=False)
        batch_op.create_index('ix_quota_reservations_tenant', ['tenant_id', 'resource'], unique=False)
        batch_op.create_index('ix_quota_reservations_user', ['user_id', 'resource'], unique=False)

    op.create_table('runs',
    sa.Column('job_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('run_index', sa.BigInteger(), nullable=False),
    sa.Column('request', sa.JSON(), nullable=False),
    sa.Column('algorithm', sa.JSON(), nullable=True),
    sa.Column('environment', sa.String(length=128), nullable=False),
    sa.Column('inputs', sa.JSON(), nullable=False),
    sa.Column('parameters', sa.JSON(), nullable=False),
    sa.Column('command', sa.JSON(), nullable=False),
    sa.Column('variables', sa.JSON(), nullable=False),
    sa.Column('code', sa.Text(), nullable=True),
    sa.Column('spec', sa.JSON(), nullable=False),
    sa.Column('workload_id', sa.BigInteger(), nullable=True),
    sa.Column('phase', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=True),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('message_zh', sa.Text(), nullable=False),
    sa.Column('exit_code', sa.BigInteger(), nullable=True),
    sa.Column('last_lines', sa.JSON(), nullable=False),
    sa.Column('progress_step', sa.BigInteger(), nullable=True),
    sa.Column('progress_total', sa.BigInteger(), nullable=True),
    sa.Column('files_complete', sa.Boolean(), nullable=False),
    sa.Column('model', sa.JSON(), nullable=True),
    sa.Column('started_at', UtcDateTime(), nullable=True),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_runs_department_id')),
    sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_runs_job_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_runs_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_runs_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_runs')),
    sa.UniqueConstraint('job_id', 'run_index', name=op.f('uq_runs_job_id_run_index')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_runs_tenant_id_number'))
    )
    with op.batch_alter_table('runs', schema=None) as batch_op:
        batch_op.create_index('ix_runs_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_runs_updated', ['tenant_id', 'updated_at'], unique=False)
        batch_op.create_index('ix_runs_workload', ['workload_id'], unique=False)

    op.create_table('service_keys',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('service_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('prefix', sa.String(length=16), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('requests_per_minute', sa.BigInteger(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=True),
    sa.Column('revoked_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['service_id'], ['inference_services.id'], name=op.f('fk_service_keys_service_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_keys')),
    sa.UniqueConstraint('digest', name=op.f('uq_service_keys_digest')),
    sa.UniqueConstraint('service_id', 'number', name=op.f('uq_service_keys_service_id_number'))
    )
    op.create_table('service_revisions',
    sa.Column('service_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('variants', sa.JSON(), nullable=False),
    sa.Column('author_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['service_id'], ['inference_services.id'], name=op.f('fk_service_revisions_service_id')),
    sa.PrimaryKeyConstraint('service_id', 'number', name=op.f('pk_service_revisions'))
    )
    op.create_table('service_traffic',
    sa.Column('service_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('variant', sa.String(length=32), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('requests', sa.BigInteger(), nullable=False),
    sa.Column('errors', sa.BigInteger(), nullable=False),
    sa.Column('buckets', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['service_id'], ['inference_services.id'], name=op.f('fk_service_traffic_service_id')),
    sa.PrimaryKeyConstraint('service_id', 'variant', 'at', name=op.f('pk_service_traffic'))
    )
    op.create_table('service_variants',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('service_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('model', sa.JSON(), nullable=False),
    sa.Column('version_id', sa.BigInteger(), nullable=False),
    sa.Column('weight_percent', sa.BigInteger(), nullable=False),
    sa.Column('spec', sa.JSON(), nullable=False),
    sa.Column('replicas', sa.BigInteger(), nullable=False),
    sa.Column('environment', sa.String(length=128), nullable=False),
    sa.Column('workload_id', sa.BigInteger(), nullable=True),
    sa.Column('drain_until', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['service_id'], ['inference_services.id'], name=op.f('fk_service_variants_service_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_variants')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('service_variants', schema=None) as batch_op:
        batch_op.create_index('ix_service_variants_service', ['service_id', 'state'], unique=False)
        batch_op.create_index('ix_service_variants_version', ['version_id'], unique=False)
        batch_op.create_index('ix_service_variants_workload', ['workload_id'], unique=False)

    op.create_table('usage_samples',
    sa.Column('workload_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('cpu_millis', sa.BigInteger(), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('disk_bytes', sa.BigInteger(), nullable=False),
    sa.Column('accelerators', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['workload_id'], ['workloads.id'], name=op.f('fk_usage_samples_workload_id')),
    sa.PrimaryKeyConstraint('workload_id', 'at', name=op.f('pk_usage_samples'))
    )
    with op.batch_alter_table('usage_samples', schema=None) as batch_op:
        batch_op.create_index('ix_usage_samples_at', ['at'], unique=False)

    op.create_table('dataset_deltas',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('dataset_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('n', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['dataset_id'], ['datasets.id'], name=op.f('fk_dataset_deltas_dataset_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset_deltas'))
    )
    with op.batch_alter_table('dataset_deltas', schema=None) as batch_op:
        batch_op.create_index('ix_dataset_deltas_dataset', ['dataset_id', 'key'], unique=False)

    op.create_table('dataset_items',
    sa.Column('dataset_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('item', sa.BigInteger(), nullable=False),
    sa.Column('valid_from', sa.BigInteger(), nullable=False),
    sa.Column('valid_to', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=1024).with_variant(sa.String(length=1024, collation='C'), 'postgresql'), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('media_type', sa.String(length=32), nullable=False),
    sa.Column('width', sa.BigInteger(), nullable=False),
    sa.Column('height', sa.BigInteger(), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('labels', sa.JSON(), nullable=False),
    sa.Column('labels_key', sa.String(length=512), nullable=False),
    sa.Column('annotated_by', sa.BigInteger(), nullable=True),
    sa.Column('item_version', sa.BigInteger(), nullable=False),
    sa.Column('import_id', sa.BigInteger(), nullable=True),
    sa.Column('source_path', sa.String(length=1024).with_variant(sa.String(length=1024, collation='C'), 'postgresql'), nullable=True),
    sa.Column('trashed_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['dataset_id'], ['datasets.id'], name=op.f('fk_dataset_items_dataset_id')),
    sa.PrimaryKeyConstraint('dataset_id', 'item', 'valid_from', name=op.f('pk_dataset_items')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('dataset_items', schema=None) as batch_op:
        batch_op.create_index('ix_dataset_items_annotator', ['dataset_id', 'annotated_by', 'item'], unique=False, sqlite_where=sa.text('valid_to = 9007199254740991 AND annotated_by IS NOT NULL'), postgresql_where=sa.text('valid_to = 9007199254740991 AND annotated_by IS NOT NULL'))
        batch_op.create_index('ix_dataset_items_digest', ['dataset_id', 'digest'], unique=False, sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))
        batch_op.create_index('ix_dataset_items_from', ['dataset_id', 'valid_from'], unique=False)
        batch_op.create_index('ix_dataset_items_state', ['dataset_id', 'state', 'item', 'valid_to'], unique=False, sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))
        batch_op.create_index('ix_dataset_items_state_path', ['dataset_id', 'state', 'name', 'valid_to'], unique=False, sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))
        batch_op.create_index('ix_dataset_items_to', ['dataset_id', 'valid_to'], unique=False, sqlite_where=sa.text('valid_to < 9007199254740991'), postgresql_where=sa.text('valid_to < 9007199254740991'))
        batch_op.create_index('uq_dataset_items_live_path', ['dataset_id', 'name', 'valid_to'], unique=True, sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))

    op.create_table('dataset_versions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('dataset_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('author_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('label_group', sa.JSON(), nullable=False),
    sa.Column('recipe', sa.JSON(), nullable=False),
    sa.Column('filled', sa.Boolean(), nullable=False),
    sa.Column('split_counts', sa.JSON(), nullable=True),
    sa.Column('split_digest', sa.String(length=64), nullable=True),
    sa.Column('digest', sa.String(length=64), nullable=True),
    sa.Column('manifest', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['author_id'], ['users.id'], name=op.f('fk_dataset_versions_author_id')),
    sa.ForeignKeyConstraint(['dataset_id'], ['datasets.id'], name=op.f('fk_dataset_versions_dataset_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_dataset_versions_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset_versions')),
    sa.UniqueConstraint('dataset_id', 'number', name=op.f('uq_dataset_versions_dataset_id_number'))
    )
    op.create_table('imports',
    sa.Column('dataset_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('labels_from_folders', sa.Boolean(), nullable=False),
    sa.Column('total_files', sa.BigInteger(), nullable=True),
    sa.Column('total_bytes', sa.BigInteger(), nullable=True),
    sa.Column('received', sa.BigInteger(), nullable=False),
    sa.Column('added', sa.BigInteger(), nullable=False),
    sa.Column('duplicates', sa.BigInteger(), nullable=False),
    sa.Column('refused', sa.BigInteger(), nullable=False),
    sa.Column('unknown_labels', sa.JSON(), nullable=False),
    sa.Column('archive', sa.String(length=64), nullable=True),
    sa.Column('archive_name', sa.String(length=255), nullable=False),
    sa.Column('task_id', sa.BigInteger(), nullable=True),
    sa.Column('active_at', UtcDateTime(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tenant_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['dataset_id'], ['datasets.id'], name=op.f('fk_imports_dataset_id')),
    sa.ForeignKeyConstraint(['department_id'], ['departments.id'], name=op.f('fk_imports_department_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_imports_owner_id')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_imports_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_imports')),
    sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_imports_tenant_id_number'))
    )
    with op.batch_alter_table('imports', schema=None) as batch_op:
        batch_op.create_index('ix_imports_dataset', ['dataset_id', 'id'], unique=False)
        batch_op.create_index('ix_imports_owner', ['tenant_id', 'owner_id', 'number'], unique=False)
        batch_op.create_index('ix_imports_state', ['state', 'active_at'], unique=False)
        batch_op.create_index('ix_imports_updated', ['tenant_id', 'updated_at'], unique=False)

    op.create_table('label_operations',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('dataset_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('item', sa.BigInteger(), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('client', sa.String(length=36), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('op', sa.String(length=16), nullable=False),
    sa.Column('labels', sa.JSON(), nullable=True),
    sa.Column('base', sa.JSON(), nullable=True),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('received_at', UtcDateTime(), nullable=False),
    sa.Column('outcome', sa.String(length=12), nullable=False),
    sa.Column('reason', sa.String(length=64), nullable=True),
    sa.Column('result', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['dataset_id'], ['datasets.id'], name=op.f('fk_label_operations_dataset_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_label_operations_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_label_operations')),
    sa.UniqueConstraint('dataset_id', 'user_id', 'client', 'seq', name=op.f('uq_label_operations_dataset_id_user_id_client_seq'))
    )
    with op.batch_alter_table('label_operations', schema=None) as batch_op:
        batch_op.create_index('ix_label_operations_item', ['dataset_id', 'item', 'id'], unique=False)

    op.create_table('model_aliases',
    sa.Column('model_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('version_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['model_id'], ['models.id'], name=op.f('fk_model_aliases_model_id')),
    sa.ForeignKeyConstraint(['version_id'], ['model_versions.id'], name=op.f('fk_model_aliases_version_id')),
    sa.PrimaryKeyConstraint('model_id', 'name', name=op.f('pk_model_aliases'))
    )
    op.create_table('model_files',
    sa.Column('version_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('path', sa.String(length=1000), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('pickled', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['version_id'], ['model_versions.id'], name=op.f('fk_model_files_version_id')),
    sa.PrimaryKeyConstraint('version_id', 'path', name=op.f('pk_model_files'))
    )
    op.create_table('run_files',
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('folder', sa.String(length=8), nullable=False),
    sa.Column('path', sa.String(length=1000), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['runs.id'], name=op.f('fk_run_files_run_id')),
    sa.PrimaryKeyConstraint('run_id', 'folder', 'path', name=op.f('pk_run_files'))
    )
    op.create_table('run_inputs',
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('dataset_id', sa.BigInteger(), nullable=False),
    sa.Column('version_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['runs.id'], name=op.f('fk_run_inputs_run_id')),
    sa.PrimaryKeyConstraint('run_id', 'position', name=op.f('pk_run_inputs'))
    )
    with op.batch_alter_table('run_inputs', schema=None) as batch_op:
        batch_op.create_index('ix_run_inputs_dataset', ['dataset_id'], unique=False)
        batch_op.create_index('ix_run_inputs_version', ['version_id'], unique=False)

    op.create_table('run_parts',
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('file', sa.String(length=64), nullable=False),
    sa.Column('offset', sa.BigInteger(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('length', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['runs.id'], name=op.f('fk_run_parts_run_id')),
    sa.PrimaryKeyConstraint('run_id', 'file', 'offset', name=op.f('pk_run_parts'))
    )
    op.create_table('run_series',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('last_step', sa.BigInteger(), nullable=False),
    sa.Column('last_value', sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['runs.id'], name=op.f('fk_run_series_run_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_run_series')),
    sa.UniqueConstraint('run_id', 'name', name=op.f('uq_run_series_run_id_name'))
    )
    op.create_table('import_results',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('import_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('path', sa.Text(), nullable=False),
    sa.Column('path_digest', sa.String(length=64), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.Column('item', sa.BigInteger(), nullable=True),
    sa.Column('code', sa.String(length=64), nullable=True),
    sa.Column('field', sa.String(length=64), nullable=True),
    sa.Column('rule', sa.Text(), nullable=True),
    sa.Column('value', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('reason_zh', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['import_id'], ['imports.id'], name=op.f('fk_import_results_import_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_import_results')),
    sa.UniqueConstraint('import_id', 'path_digest', name=op.f('uq_import_results_import_id_path_digest'))
    )
    with op.batch_alter_table('import_results', schema=None) as batch_op:
        batch_op.create_index('ix_import_results_outcome', ['import_id', 'outcome', 'id'], unique=False)

    op.create_table('run_points',
    sa.Column('series_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('step', sa.BigInteger(), nullable=False),
    sa.Column('value', sa.Double(), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['series_id'], ['run_series.id'], name=op.f('fk_run_points_series_id')),
    sa.PrimaryKeyConstraint('series_id', 'step', name=op.f('pk_run_points'))
    )
    _make_append_only()


def downgrade() -> None:
    op.drop_table('run_points')
    with op.batch_alter_table('import_results', schema=None) as batch_op:
        batch_op.drop_index('ix_import_results_outcome')

    op.drop_table('import_results')
    op.drop_table('run_series')
    op.drop_table('run_parts')
    with op.batch_alter_table('run_inputs', schema=None) as batch_op:
        batch_op.drop_index('ix_run_inputs_version')
        batch_op.drop_index('ix_run_inputs_dataset')

    op.drop_table('run_inputs')
    op.drop_table('run_files')
    op.drop_table('model_files')
    op.drop_table('model_aliases')
    with op.batch_alter_table('label_operations', schema=None) as batch_op:
        batch_op.drop_index('ix_label_operations_item')

    op.drop_table('label_operations')
    with op.batch_alter_table('imports', schema=None) as batch_op:
        batch_op.drop_index('ix_imports_updated')
        batch_op.drop_index('ix_imports_state')
        batch_op.drop_index('ix_imports_owner')
        batch_op.drop_index('ix_imports_dataset')

    op.drop_table('imports')
    op.drop_table('dataset_versions')
    with op.batch_alter_table('dataset_items', schema=None) as batch_op:
        batch_op.drop_index('uq_dataset_items_live_path', sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))
        batch_op.drop_index('ix_dataset_items_to', sqlite_where=sa.text('valid_to < 9007199254740991'), postgresql_where=sa.text('valid_to < 9007199254740991'))
        batch_op.drop_index('ix_dataset_items_state_path', sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))
        batch_op.drop_index('ix_dataset_items_state', sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))
        batch_op.drop_index('ix_dataset_items_from')
        batch_op.drop_index('ix_dataset_items_digest', sqlite_where=sa.text('valid_to = 9007199254740991'), postgresql_where=sa.text('valid_to = 9007199254740991'))
        batch_op.drop_index('ix_dataset_items_annotator', sqlite_where=sa.text('valid_to = 9007199254740991 AND annotated_by IS NOT NULL'), postgresql_where=sa.text('valid_to = 9007199254740991 AND annotated_by IS NOT NULL'))

    op.drop_table('dataset_items')
    with op.batch_alter_table('dataset_deltas', schema=None) as batch_op:
        batch_op.drop_index('ix_dataset_deltas_dataset')

    op.drop_table('dataset_deltas')
    with op.batch_alter_table('usage_samples', schema=None) as batch_op:
        batch_op.drop_index('ix_usage_samples_at')

    op.drop_table('usage_samples')
    with op.batch_alter_table('service_variants', schema=None) as batch_op:
        batch_op.drop_index('ix_service_variants_workload')
        batch_op.drop_index('ix_service_variants_version')
        batch_op.drop_index('ix_service_variants_service')

    op.drop_table('service_variants')
    op.drop_table('service_traffic')
    op.drop_table('service_revisions')
    op.drop_table('service_keys')
    with op.batch_alter_table('runs', schema=None) as batch_op:
        batch_op.drop_index('ix_runs_workload')
        batch_op.drop_index('ix_runs_updated')
        batch_op.drop_index('ix_runs_owner')

    op.drop_table('runs')
    with op.batch_alter_table('quota_reservations', schema=None) as batch_op:
        batch_op.drop_index('ix_quota_reservations_user')
        batch_op.drop_index('ix_quota_reservations_tenant')
        batch_op.drop_index('ix_quota_reservations_department')

    op.drop_table('quota_reservations')
    with op.batch_alter_table('notebooks', schema=None) as batch_op:
        batch_op.drop_index('uq_notebooks_live_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('ix_notebooks_workload')
        batch_op.drop_index('ix_notebooks_updated')
        batch_op.drop_index('ix_notebooks_owner')

    op.drop_table('notebooks')
    op.drop_table('model_versions')
    with op.batch_alter_table('datasets', schema=None) as batch_op:
        batch_op.drop_index('uq_datasets_live_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('ix_datasets_updated')
        batch_op.drop_index('ix_datasets_owner')
        batch_op.drop_index('ix_datasets_label_group')

    op.drop_table('datasets')
    op.drop_table('bill_lines')
    with op.batch_alter_table('workloads', schema=None) as batch_op:
        batch_op.drop_index('ix_workloads_updated')
        batch_op.drop_index('ix_workloads_owner')
        batch_op.drop_index('ix_workloads_object')
        batch_op.drop_index('ix_workloads_live', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_index('ix_workloads_ended')

    op.drop_table('workloads')
    op.drop_table('user_roles')
    with op.batch_alter_table('tokens', schema=None) as batch_op:
        batch_op.drop_index('ix_tokens_workload')
        batch_op.drop_index('ix_tokens_user')

    op.drop_table('tokens')
    with op.batch_alter_table('tasks', schema=None) as batch_op:
        batch_op.drop_index('ix_tasks_updated')
        batch_op.drop_index('ix_tasks_state')
        batch_op.drop_index('ix_tasks_owner')

    op.drop_table('tasks')
    op.drop_table('step_ups')
    op.drop_table('sign_in_links')
    with op.batch_alter_table('models', schema=None) as batch_op:
        batch_op.drop_index('uq_models_live_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('ix_models_updated')
        batch_op.drop_index('ix_models_owner')

    op.drop_table('models')
    with op.batch_alter_table('label_groups', schema=None) as batch_op:
        batch_op.drop_index('uq_label_groups_live_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('ix_label_groups_updated')
        batch_op.drop_index('ix_label_groups_owner')

    op.drop_table('label_groups')
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.drop_index('uq_jobs_live_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('ix_jobs_updated')
        batch_op.drop_index('ix_jobs_owner')

    op.drop_table('jobs')
    with op.batch_alter_table('inference_services', schema=None) as batch_op:
        batch_op.drop_index('uq_inference_services_live_slug', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('uq_inference_services_live_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('ix_inference_services_updated')
        batch_op.drop_index('ix_inference_services_owner')

    op.drop_table('inference_services')
    with op.batch_alter_table('bills', schema=None) as batch_op:
        batch_op.drop_index('ix_bills_updated')
        batch_op.drop_index('ix_bills_state')
        batch_op.drop_index('ix_bills_started')
        batch_op.drop_index('ix_bills_owner')
        batch_op.drop_index('ix_bills_object')

    op.drop_table('bills')
    op.drop_table('users')
    with op.batch_alter_table('ledger_entries', schema=None) as batch_op:
        batch_op.drop_index('ix_ledger_entries_tenant_at')
        batch_op.drop_index('ix_ledger_entries_bill')

    op.drop_table('ledger_entries')
    with op.batch_alter_table('blobs', schema=None) as batch_op:
        batch_op.drop_index('ix_blobs_object')

    op.drop_table('blobs')
    with op.batch_alter_table('usage_intervals', schema=None) as batch_op:
        batch_op.drop_index('ix_usage_intervals_pending', sqlite_where=sa.text('pending'), postgresql_where=sa.text('pending'))
        batch_op.drop_index('ix_usage_intervals_open', sqlite_where=sa.text('NOT ended'), postgresql_where=sa.text('NOT ended'))

    op.drop_table('usage_intervals')
    with op.batch_alter_table('stored_objects', schema=None) as batch_op:
        batch_op.drop_index('ix_stored_objects_tenant')

    op.drop_table('stored_objects')
    with op.batch_alter_table('storage_usage', schema=None) as batch_op:
        batch_op.drop_index('ix_storage_usage_owner')

    op.drop_table('storage_usage')
    op.drop_table('ledger_accounts')
    with op.batch_alter_table('holds', schema=None) as batch_op:
        batch_op.drop_index('ix_holds_tenant')

    op.drop_table('holds')
    op.drop_table('departments')
    with op.batch_alter_table('usage_facts', schema=None) as batch_op:
        batch_op.drop_index('uq_usage_facts_edges', sqlite_where=sa.text("fact IN ('opened', 'closed')"), postgresql_where=sa.text("fact IN ('opened', 'closed')"))
        batch_op.drop_index('ix_usage_facts_interval')

    op.drop_table('usage_facts')
    op.drop_table('thumbnails')
    op.drop_table('tenants')
    with op.batch_alter_table('sign_in_attempts', schema=None) as batch_op:
        batch_op.drop_index('ix_sign_in_attempts_address')
        batch_op.drop_index('ix_sign_in_attempts_account')

    op.drop_table('sign_in_attempts')
    op.drop_table('settings')
    with op.batch_alter_table('resource_specs', schema=None) as batch_op:
        batch_op.drop_index('uq_resource_specs_live_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.drop_table('resource_specs')
    op.drop_table('quota_limits')
    with op.batch_alter_table('price_entries', schema=None) as batch_op:
        batch_op.drop_index('ix_price_entries_resource')

    op.drop_table('price_entries')
    op.drop_table('metering_cursors')
    op.drop_table('leases')
    op.drop_table('idempotency_records')
    op.drop_table('dataset_item_labels')
    op.drop_table('counters')
    with op.batch_alter_table('changes', schema=None) as batch_op:
        batch_op.drop_index('ix_changes_tenant')

    op.drop_table('changes')
    with op.batch_alter_table('audit_entries', schema=None) as batch_op:
        batch_op.drop_index('ix_audit_entries_user')
        batch_op.drop_index('ix_audit_entries_tenant')

    op.drop_table('audit_entries')
