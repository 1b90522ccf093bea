"""JupyterHub as part of a Himalia installation on one machine.

The supervisor starts the hub with this file and names its ``hub.json`` in
``HIMALIA_HUB_SETTINGS``. What an administrator may want to change are traits of the classes
named here, in a ``jupyterhub_config.py`` of their own in the installation's state directory; the rest is
what the other parts rely on.
"""

# ruff: noqa: F821  (``c``, ``get_config`` and ``load_subconfig`` are given by traitlets)

import os
from pathlib import Path

from himalia_hub.auth.authenticator import HimaliaAuthenticator
from himalia_hub.config.pages import TEMPLATES, install_page_context
from himalia_hub.config.platform_client import PlatformClient
from himalia_hub.config.proxy import HimaliaTraefikProxy
from himalia_hub.config.settings import HubSettings, notebook_traits

c = get_config()  # type: ignore[name-defined]
settings = HubSettings.read(Path(os.environ["HIMALIA_HUB_SETTINGS"]))
platform = PlatformClient(settings.platform_url, settings.service_credential)
install_page_context(settings)

# Addresses: one origin for the hub, one for each person; Traefik belongs to the supervisor.
c.JupyterHub.bind_url = settings.hub_url
c.JupyterHub.subdomain_host = settings.hub_url
c.JupyterHub.hub_ip = settings.hub_host
c.JupyterHub.hub_port = settings.hub_port
c.JupyterHub.trusted_downstream_ips = ["127.0.0.1", settings.hub_host]
c.JupyterHub.default_url = "/hub/home"

c.JupyterHub.proxy_class = HimaliaTraefikProxy
c.HimaliaTraefikProxy.domain = settings.domain
c.Proxy.should_start = False
c.TraefikProxy.enable_setup_dynamic_config = False
c.TraefikProxy.traefik_api_url = settings.traefik_api_url
c.TraefikProxy.traefik_api_username = settings.traefik_api_user
c.TraefikProxy.traefik_api_password = settings.traefik_api_password
c.TraefikProxy.traefik_entrypoint = "http"
c.TraefikFileProviderProxy.dynamic_config_file = str(settings.traefik_dynamic_file)

# Memory between starts. Servers outlive the hub; the platform knows what runs.
c.JupyterHub.db_url = settings.database_url
c.JupyterHub.cookie_secret_file = str(settings.cookie_secret_file)
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.cookie_max_age_days = 7
c.JupyterHub.activity_resolution = 60

# People.
c.JupyterHub.authenticator_class = HimaliaAuthenticator
c.HimaliaAuthenticator.platform = platform
c.HimaliaAuthenticator.secrets_folder = str(settings.state_directory / "secrets" / "sources")
c.Authenticator.allow_all = True
c.Authenticator.enable_auth_state = True
c.Authenticator.auth_refresh_age = 5
c.Authenticator.auth_refresh_strict = True
c.JupyterHub.admin_access = False

# Notebooks: named servers only, admitted by the platform.
spawner, traits = notebook_traits(settings, platform)
c.JupyterHub.spawner_class = spawner
for name, value in traits.items():
    setattr(c[spawner.__name__], name, value)
# A server is told at once when a session ends; should that fail, it asks the hub again this soon.
server_arguments = ["--HubOAuth.cache_max_age=30"]
if settings.isolation == "unsafe" and os.geteuid() == 0:
    # Without a sandbox a server runs as whoever started the installation.
    server_arguments.append("--allow-root")
c.Spawner.args = server_arguments
c.Spawner.cmd = ["jupyterhub-singleuser"]
c.Spawner.default_url = "/lab"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.concurrent_spawn_limit = 0
c.Spawner.consecutive_failure_limit = 0
c.Spawner.poll_interval = 5
c.Spawner.http_timeout = 60
c.Spawner.start_timeout = 600

# The platform at the hub's API. It has no url here: nothing is routed to it on the hub's host.
c.JupyterHub.services = [
    {"name": "himalia", "api_token": settings.platform_token, "display": False},
]
c.JupyterHub.load_roles = [
    {
        "name": "himalia-platform",
        "description": "Makes people, starts and stops their notebooks",
        "services": ["himalia"],
        "scopes": ["admin:users", "admin:servers", "list:users", "read:users", "read:servers"],
    },
]

c.JupyterHub.template_paths = [str(TEMPLATES)]
c.JupyterHub.tornado_settings = {
    "headers": {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"},
    "slow_spawn_timeout": 0,
    "cookie_options": {"samesite": "Lax"},
}
c.JupyterHub.log_level = "INFO"
c.Application.logging_config = {
    "formatters": {"console": {"class": "himalia_hub.config.logs.JsonLines"}},
}

# What this installation's administrator sets comes last, so it wins.
own = settings.state_directory / "jupyterhub_config.py"
if own.is_file():
    load_subconfig(str(own))  # type: ignore[name-defined]
