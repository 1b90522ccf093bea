"""The hub's own pages: sign-in, one-time link, step-up, start page, and the calls they make.

Each handler asks the platform and renders; a refusal is shown in place, in the person's language.
Pages carry no inline script or style, so that their content security policy can forbid both.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LoginHandler, LogoutHandler
from tornado import web

from himalia_hub.auth.authenticator import auth_model, end_sessions
from himalia_hub.config import profiles
from himalia_hub.config.language import COOKIE, LANGUAGES, language_of
from himalia_hub.config.platform_client import PlatformClient, Refused, Unreachable
from himalia_hub.config.settings import HubSettings, user_origin
from himalia_hub.config.texts import script_texts, text

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"
_settings: HubSettings | None = None


def install_page_context(settings: HubSettings) -> None:
    """Give every template, the hub's own included, the language and the installation.

    JupyterHub offers templates no request, and its own error pages are rendered by handlers that
    are not ours, so the one place to add the language is the namespace they all share.
    """
    global _settings
    _settings = settings
    inherited = BaseHandler.template_namespace

    def template_namespace(self: BaseHandler) -> dict[str, Any]:
        namespace: dict[str, Any] = inherited.fget(self)
        namespace.update(page_namespace(self.request, settings))
        return namespace

    BaseHandler.template_namespace = property(template_namespace)


def page_namespace(request: Any, settings: HubSettings) -> dict[str, Any]:
    """``lang``, ``t(key)`` and what the frame of every page shows."""
    language = language_of(request)
    return {
        "lang": "zh-CN" if language == "zh" else "en",
        "t": lambda key, **values: text(key, language, **values),
        "isolation": settings.isolation,
        "host_folders": ", ".join(settings.backend.get("host_path_exceptions", ())),
        "himalia_static": "/hub/himalia/static",
        "language_url": "/hub/himalia/language",
        "other_language": "en" if language == "zh" else "zh",
        "here": request.path,
    }


class HimaliaPage(BaseHandler):  # type: ignore[misc]
    """A page or call of ours: strict policy, no caching, the platform at hand."""

    @property
    def platform(self) -> PlatformClient:
        client: PlatformClient = self.authenticator.platform
        return client

    @property
    def language(self) -> str:
        return language_of(self.request)

    @property
    def content_security_policy(self) -> str:
        return policy(_settings)

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    async def show(self, template: str, **values: Any) -> None:
        self.finish(await self.render_template(template, **values))

    def answer(self, value: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(value, ensure_ascii=False))

    def refuse(self, error: Refused | Unreachable) -> None:
        """A refusal as problem details; never a bare 500."""
        if isinstance(error, Refused):
            self.answer(error.problem.as_dict(), error.problem.status)
            return
        sentence = text("platform.restarting", self.language)
        self.answer({"status": 503, "code": "backend_unavailable", "detail": sentence, "hint": ""}, 503)

    async def finish_sign_in(self, answer: dict[str, Any]) -> None:
        """Sign in with an identity, or show the step that is owed first."""
        if "pending" in answer:
            await self.show_step(answer["pending"])
            return
        await self._end_older_sessions(answer)
        self.himalia_identity = answer
        user = await self.login_user({})
        self._jupyterhub_user = user
        self.redirect(self.get_next_url(user, default="/hub/home"))

    async def _end_older_sessions(self, identity: dict[str, Any]) -> None:
        """Whatever moved the epoch (a new password on the way in) ended the sessions from before.

        The hub keeps one epoch a person: storing the new one would make the old cookies good again.
        """
        user = self.find_user(identity["hub_user"])
        state = await user.get_auth_state() if user is not None else None
        if state is not None and state.get("epoch") != identity["session_epoch"]:
            end_sessions(user)

    async def show_step(self, pending: dict[str, Any], *, problem: str = "", note: str = "", method: str = "") -> None:
        """The page of one further step of a sign-in."""
        methods = [row["method"] for row in pending["methods"]]
        chosen = method if method in (*methods, "recovery") else (methods or ["recovery"])[0]
        following = self.get_argument("next", "")
        await self.show("step.html", pending=pending, problem=problem, note=note, method=chosen, following=following)

    def captcha_answer(self) -> dict[str, str] | None:
        """What was read in the picture, as the form sent it."""
        number = self.get_body_argument("captcha_id", "")
        return {"id": number[:64], "letters": self.get_body_argument("captcha", "")[:32]} if number else None

    async def new_captcha(self, name: str, *, force: bool = False) -> dict[str, Any] | None:
        """A new picture where the platform asks for one."""
        body = {"name": name[:512], "address": self.request.remote_ip, "force": force}
        try:
            answer = await self.platform.post("sign-in/captcha", body, language=self.language)
        except (Refused, Unreachable):
            return None
        found: dict[str, Any] | None = answer["captcha"]
        return found

    def signed_in(self) -> Any:
        """The hub's user; refuses a call of nobody without sending it to the sign-in page."""
        if self.current_user is None:
            raise web.HTTPError(403)
        return self.current_user

    def body(self) -> dict[str, Any]:
        try:
            data = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise web.HTTPError(400, "not JSON") from error
        if not isinstance(data, dict):
            raise web.HTTPError(400, "not an object")
        return data


def policy(settings: HubSettings | None) -> str:
    """Own scripts, styles and calls only; forms may end at the origins of people's notebooks."""
    targets = "'self'"
    if settings is not None:
        parts = urlsplit(settings.hub_url)
        targets += f" {parts.scheme}://*.{parts.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            f"form-action {targets}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


class LanguageHandler(HimaliaPage):
    """The language switch of every page: remembers the choice and goes back."""

    def get(self) -> None:
        language = self.get_argument("to", "en")
        if language in LANGUAGES:
            self.set_cookie(COOKIE, language, expires_days=365, path="/hub/", httponly=True, samesite="Lax")
        back = self.get_argument("next", "/hub/home")
        parts = urlsplit(back)
        safe = back.startswith("/hub/") and not parts.netloc and not parts.scheme
        self.redirect(back if safe else "/hub/home")


class SignInHandler(LoginHandler, HimaliaPage):  # type: ignore[misc]
    """The hub's sign-in with our page and every source by name; errors appear above the form."""

    sources: list[dict[str, Any]] = []
    captcha: dict[str, Any] | None = None

    async def prepare(self) -> None:
        await super().prepare()
        try:
            self.sources = await self.authenticator.sources.listed()
        except (Refused, Unreachable) as error:
            self.log.warning("the sign-in sources are not known: %s", error)

    def _render(self, login_error: str | None = None, username: str | None = None, **kwargs: Any) -> Any:
        shown = [{"name": row["name"], "title": row["title"], "form": row["form"]} for row in self.sources]
        chosen = self.get_argument("source", "local")
        if login_error is None and self.get_argument("over", ""):
            login_error = text("step.over", self.language)
        return super()._render(
            login_error, username, sources=shown, chosen_source=chosen, captcha=self.captcha, **kwargs
        )

    async def post(self) -> None:
        """Local accounts are asked of the platform here, since further steps may be owed; sources by the hub."""
        if self.get_body_argument("source", "local") != "local":
            await super().post()
            return
        name = self.get_body_argument("username", "").strip()
        password = self.get_body_argument("password", "", strip=False)
        if not name or not password:
            await self._refused(400, text("sign_in.both_needed", self.language), name)
            return
        request = {
            "name": name[:512],
            "password": password[:1024],
            "address": self.request.remote_ip,
            "captcha": self.captcha_answer(),
        }
        try:
            answer = await self.platform.post("sign-in/password", request, language=self.language)
        except Refused as error:
            await self._refused(403, error.problem.sentence, name)
        except Unreachable:
            await self._refused(503, text("platform.restarting", self.language), name)
        else:
            await self.finish_sign_in(answer)

    async def _refused(self, status: int, sentence: str, name: str) -> None:
        self.captcha = await self.new_captcha(name)
        self.set_status(status)
        self.finish(await self._render(login_error=sentence, username=name))


class SignOutHandler(LogoutHandler, HimaliaPage):  # type: ignore[misc]
    """Signs out and ends the step-up grants of this browser."""

    async def get(self) -> None:
        user, session = self.current_user, self.get_session_cookie()
        if user is not None and session:
            try:
                await self.platform.post("sign-in/ended", {"hub_user": user.name, "session": session})
            except (Refused, Unreachable) as error:
                self.log.warning("step-up grants of %s were not ended: %s", user.name, error)
        await super().get()


class LinkHandler(HimaliaPage):
    """The one-time link. Looking at it uses nothing up; only the button does."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        # The address holds the token.
        self.set_header("Referrer-Policy", "no-referrer")

    async def get(self) -> None:
        token = self.get_argument("token", "")
        try:
            found = await self._look(token)
        except (Refused, Unreachable) as error:
            await self._not_working(error)
            return
        await self._form(token, found)

    async def post(self) -> None:
        token = self.get_argument("token", "")
        request: dict[str, Any] = {"token": token, "address": self.request.remote_ip}
        request["accept_privacy"] = bool(self.get_body_argument("accept_privacy", ""))
        problem = self._with_password(request)
        answer: dict[str, Any] = {}
        try:
            if problem is None:
                answer = await self.platform.post("sign-in/link", request, language=self.language)
        except Refused as error:
            if error.problem.status != 422:
                await self._not_working(error)
                return
            problem = error.problem.sentence
        except Unreachable as error:
            await self._not_working(error)
            return
        if problem is not None:
            await self._again(token, problem)
            return
        await self.finish_sign_in(answer)

    def _with_password(self, request: dict[str, Any]) -> str | None:
        """Adds name and password where they were given; answers what is wrong with them."""
        if self.get_argument("later", ""):
            return None
        password = self.get_body_argument("password", "", strip=False)
        if not password:
            return None
        if password != self.get_body_argument("repeat", "", strip=False):
            return text("link.differ", self.language)
        request["name"] = self.get_body_argument("username", "").strip() or None
        request["password"] = password
        return None

    async def _look(self, token: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.platform.post("sign-in/link/look", {"token": token}, language=self.language)
        return found

    async def _again(self, token: str, problem: str) -> None:
        try:
            found = await self._look(token)
        except (Refused, Unreachable) as error:
            await self._not_working(error)
            return
        self.set_status(422)
        await self._form(token, found, problem=problem, name=self.get_body_argument("username", ""))

    async def _form(self, token: str, found: dict[str, Any], *, problem: str = "", name: str | None = None) -> None:
        await self.show(
            "link.html",
            token=token,
            found=found,
            problem=problem,
            chosen_name=found["user"]["name"] if name is None else name,
        )

    async def _not_working(self, error: Refused | Unreachable) -> None:
        expired = isinstance(error, Refused)
        self.set_status(410 if expired else 503)
        await self.show(
            "message.html",
            title=text("link.expired_title" if expired else "error.503", self.language),
            sentence=text("link.expired" if expired else "platform.restarting", self.language),
        )


class StepUpHandler(HimaliaPage):
    """Asks for the password on the hub's origin and hands the grant to the panel that asked.

    The grant goes by ``postMessage`` to the person's own origin and to no other, so a page of
    somebody else that opened this window learns nothing.
    """

    @web.authenticated
    async def get(self) -> None:
        user = self.current_user
        try:
            page = await self.platform.get("start-page", user=user.name, language=self.language)
        except (Refused, Unreachable) as error:
            self.refuse(error)
            return
        await self.show(
            "step_up.html",
            identity=page["identity"],
            methods=await self._methods(user),
            data={
                "origin": user_origin(_hub_settings().hub_url, user.name),
                "passwordSet": page["identity"]["password_set"],
                "texts": script_texts(self.language),
            },
        )

    async def post(self) -> None:
        user = self.signed_in()
        body = self.body()
        password = str(body.get("password") or "")
        session = self.get_session_cookie() or self.set_session_cookie()
        try:
            if body.get("new"):
                await self._set_first_password(user, password)
            grant = await self.platform.post(
                "step-up",
                {
                    "hub_user": user.name,
                    "session": session,
                    "password": password,
                    "method": str(body.get("method") or "")[:16],
                    "code": str(body.get("code") or "")[:64],
                    "address": self.request.remote_ip,
                },
                language=self.language,
            )
        except (Refused, Unreachable) as error:
            self.refuse(error)
            return
        self.answer(grant)

    async def _methods(self, user: Any) -> list[str]:
        """The second factors that need no message: an app's code, a recovery code."""
        try:
            account = await self.platform.get("account", user=user.name, language=self.language)
        except (Refused, Unreachable):
            return []
        return ["totp"] if "totp" in account["second_factor"]["methods"] else []

    async def _set_first_password(self, user: Any, password: str) -> None:
        """The platform moves the session epoch on; this very session is the one that may stay."""
        await self.platform.post(
            "password",
            {"hub_user": user.name, "old_password": None, "password": password},
            language=self.language,
        )
        user._auth_refreshed = time.monotonic()
        answer = await self.platform.post("sign-in/refresh", {"hub_user": user.name, "session_epoch": 0})
        if answer.get("identity"):
            await user.save_auth_state(auth_model(answer["identity"])["auth_state"])


class StartPageHandler(HimaliaPage):
    """``/hub/home``: profiles, the form, and the person's notebooks."""

    @web.authenticated
    async def get(self) -> None:
        user = self.current_user
        try:
            page = await start_page(self, user)
        except Refused as error:
            self.set_status(error.problem.status)
            await self.show("message.html", title=text("error.title", self.language), sentence=error.problem.sentence)
            return
        except Unreachable:
            self.set_status(503)
            self.set_header("Refresh", "3")
            await self.show(
                "message.html",
                title=text("error.503", self.language),
                sentence=text("platform.restarting", self.language),
            )
            return
        await self.show(
            "home.html",
            identity=page["identity"],
            data={"page": page, "texts": script_texts(self.language), "language": self.language},
        )


class StartDataHandler(HimaliaPage):
    """What the start page shows, asked again every moment while something moves."""

    async def get(self) -> None:
        user = self.signed_in()
        try:
            self.answer(await start_page(self, user))
        except (Refused, Unreachable) as error:
            self.refuse(error)


_PROFILE_FIELDS = ("profile", "profile_options")
_NOTEBOOK_FIELDS = (
    "name",
    "spec_id",
    "accelerator_spec_id",
    "accelerator_wish",
    "environment",
    "description",
    *_PROFILE_FIELDS,
)


class StartNotebookHandler(HimaliaPage):
    """Makes and starts a notebook."""

    async def post(self) -> None:
        user = self.signed_in()
        body = self.body()
        wanted = {key: body[key] for key in _NOTEBOOK_FIELDS if key in body}
        try:
            made = await self.platform.post("notebooks", {"hub_user": user.name, **wanted}, language=self.language)
        except (Refused, Unreachable) as error:
            self.refuse(error)
            return
        self.answer(made, 201)


class NotebookActionHandler(HimaliaPage):
    """Start, stop or delete one of the person's notebooks; start it with another profile."""

    async def post(self, server: str, action: str) -> None:
        user = self.signed_in()
        body = self.body() if action == "start" else {}
        wanted = {key: body[key] for key in _PROFILE_FIELDS if key in body}
        path = f"notebooks/{user.name}/{server}/{action}"
        try:
            answer = await self.platform.post(path, wanted, language=self.language)
        except (Refused, Unreachable) as error:
            self.refuse(error)
            return
        self.answer(answer or {}, 202)


class ToStartPage(HimaliaPage):
    """Pages of the hub that the start page replaces."""

    def get(self, *_parts: str, **_named: str) -> None:
        self.redirect("/hub/home")


def _number(text: str) -> int | None:
    """A positive number of a query; anything else is none."""
    return (int(text) or None) if text.isascii() and text.isdigit() and len(text) < 16 else None


async def start_page(handler: HimaliaPage, user: Any) -> dict[str, Any]:
    """The platform's start page with what only the hub knows: the person's profiles, addresses of notebooks."""
    asked = {name: _number(handler.get_query_argument(name, "")) for name in ("accelerator", "least_bytes")}
    page: dict[str, Any] = await handler.platform.get("start-page", user=user.name, language=handler.language, **asked)
    page["spawn_profiles"], page["spawn_profiles_problem"] = [], ""
    try:
        page["spawn_profiles"] = await profiles.offered(user)
    except profiles.ProfilesBroken as error:
        told = profiles.broken(error)
        page["spawn_profiles_problem"] = told["detail_zh" if handler.language == "zh" else "detail"]
    origin = user_origin(_hub_settings().hub_url, user.name)
    for notebook in page["notebooks"]:
        server = notebook["server_name"]
        spawner = user.spawners.get(server)
        ready = spawner is not None and bool(spawner.ready)
        notebook["url"] = f"{origin}/user/{user.name}/{server}/lab" if ready else None
    return page


def _hub_settings() -> HubSettings:
    assert _settings is not None, "install_page_context was not called"
    return _settings


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    server = r"([a-z0-9][a-z0-9-]{0,62})"
    return [
        (r"/login", SignInHandler),
        (r"/logout", SignOutHandler),
        (r"/home", StartPageHandler),
        (r"/spawn(?:/.*)?", ToStartPage),
        (r"/spawn-pending/.*", ToStartPage),
        # Tokens of programs are the platform's own; the hub's identify notebooks only.
        (r"/(?:token|admin)", ToStartPage),
        (r"/himalia/link", LinkHandler),
        (r"/himalia/step-up", StepUpHandler),
        (r"/himalia/language", LanguageHandler),
        (r"/himalia/api/start", StartDataHandler),
        (r"/himalia/api/notebooks", StartNotebookHandler),
        (rf"/himalia/api/notebooks/{server}/(start|stop|delete)", NotebookActionHandler),
        (r"/himalia/static/(.*)", web.StaticFileHandler, {"path": str(STATIC)}),
    ]
