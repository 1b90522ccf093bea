"""``python -m himalia_hub.migrations MESSAGE``: write the revision that brings the schema to the tables in code."""

from __future__ import annotations

import sys
import tempfile

from alembic import command

from himalia_hub.core.db import Database
from himalia_hub.migrations import migrate


def main() -> int:
    number = f"{len(list((migrate.HERE / 'versions').glob('[0-9]*.py'))) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/empty.sqlite3")
        with db.engine.connect() as connection:
            config = migrate.alembic_config(connection)
            if number != "0001":
                command.upgrade(config, "head")
            command.revision(config, message=" ".join(sys.argv[1:]), autogenerate=True, rev_id=number)
        db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
