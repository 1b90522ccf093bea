"""A real OpenLDAP server (Debian's slapd) with a few people and groups, in a directory of its own.

``make test`` installs slapd where it is missing, as it does Chromium; its absence fails, never skips.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from tests.support.ports import free_port

SLAPD = "/usr/sbin/slapd"
BASE = "dc=harbour,dc=example"
LOOKUP, LOOKUP_PASSWORD = f"cn=lookup,{BASE}", "look up, nothing else"
_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {home}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "{base}"
rootdn "cn=root,{base}"
rootpw "root of the tests"
directory {home}/data
maxsize 10485760
"""


def person(uid: str, name: str, password: str, department: str, title: str) -> str:
    """An entry of a person; ``employeeType`` is what the tests map to roles."""
    return (
        f"dn: uid={uid},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {name}\nsn: {name}\n"
        f"displayName: {name}\nuserPassword: {password}\no: Harbour\nou: {department}\nemployeeType: {title}\n\n"
    )


def entries() -> str:
    return (
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Harbour\ndc: harbour\n\n"
        f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n"
        f"dn: {LOOKUP}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: lookup\n"
        f"userPassword: {LOOKUP_PASSWORD}\n\n"
        + person("Anna.Berg", "Anna Berg", "Kräuter 77!", "Vision", "lead")
        + person("zhaolei", "赵磊", "Hafen 2026", "Vision", "engineer")
        + person("no.department", "Nora", "Hafen 2027", "Nowhere", "engineer")
    )


class DirectoryServer:
    """slapd on a free port of loopback."""

    def __init__(self, home: Path) -> None:
        assert Path(SLAPD).exists(), "slapd is missing; `make slapd` installs it"
        self.home, self.port = home, free_port()
        (home / "data").mkdir(parents=True)
        self.conf = home / "slapd.conf"
        self.conf.write_text(_CONF.format(home=home, base=BASE), encoding="utf-8")
        ldif = home / "entries.ldif"
        ldif.write_text(entries(), encoding="utf-8")
        # slapadd is slapd under another name.
        subprocess.run([SLAPD, "-Tadd", "-f", str(self.conf), "-l", str(ldif)], check=True, capture_output=True)
        command = [SLAPD, "-f", str(self.conf), "-h", f"ldap://127.0.0.1:{self.port}", "-d", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 20
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError("slapd did not start")
            time.sleep(0.05)

    def _answers(self) -> bool:
        import ldap3

        try:
            connection = ldap3.Connection(f"ldap://127.0.0.1:{self.port}", LOOKUP, LOOKUP_PASSWORD, receive_timeout=5)
            return bool(connection.bind())
        except ldap3.core.exceptions.LDAPException:
            return False

    def change(self, uid: str, **attributes: str) -> None:
        """Replace attributes of a person, as the directory's administrator does."""
        import ldap3

        connection = ldap3.Connection(
            f"ldap://127.0.0.1:{self.port}", f"cn=root,{BASE}", "root of the tests", auto_bind=True
        )
        changes = {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in attributes.items()}
        assert connection.modify(f"uid={uid},ou=people,{BASE}", changes), connection.result
        connection.unbind()

    def remove(self, uid: str) -> None:
        import ldap3

        connection = ldap3.Connection(
            f"ldap://127.0.0.1:{self.port}", f"cn=root,{BASE}", "root of the tests", auto_bind=True
        )
        assert connection.delete(f"uid={uid},ou=people,{BASE}"), connection.result
        connection.unbind()

    def settings(self) -> dict[str, object]:
        """The settings of a source that asks this server."""
        return {
            "server_address": "127.0.0.1",
            "server_port": self.port,
            "tls_strategy": "insecure",
            "lookup_dn": True,
            "user_search_base": f"ou=people,{BASE}",
            "user_attribute": "uid",
            "lookup_dn_search_filter": "(&(objectClass=inetOrgPerson)({login_attr}={login}))",
            "lookup_dn_search_user": LOOKUP,
            "lookup_dn_user_dn_attribute": "uid",
            "bind_dn_template": [f"uid={{username}},ou=people,{BASE}"],
            "valid_username_regex": r"^[A-Za-z][.A-Za-z0-9_-]*$",
        }

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.home, ignore_errors=True)
