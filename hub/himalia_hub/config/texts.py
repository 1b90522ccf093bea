"""Every sentence of the hub's own pages, in English and Simplified Chinese (GEN-9).

Keys name the page and the place. ``text`` answers one sentence; ``script_texts`` those that the
pages' script needs.
"""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    # Everywhere
    "brand": ("Himalia", "Himalia"),
    "nav.start": ("Start", "启动"),
    "nav.sign_out": ("Sign out", "退出登录"),
    "nav.language": ("中文", "English"),
    "nav.balance": ("Balance", "余额"),
    "nav.lasts_days": ("lasts about {days} days", "约可用 {days} 天"),
    "nav.lasts_hours": ("lasts about {hours} h", "约可用 {hours} 小时"),
    "nav.account": ("Account", "账户"),
    "unsafe": (
        "No isolation: code on this machine can read everything this installation can.",
        "未隔离：本机上的代码可以读取此安装能读取的一切。",
    ),
    "platform.restarting": (
        "The platform is restarting. Try again in a moment.",
        "平台正在重启，请稍后再试。",
    ),
    # Sign-in
    "sign_in.title": ("Sign in", "登录"),
    "sign_in.name": ("User name", "用户名"),
    "sign_in.password": ("Password", "密码"),
    "sign_in.go": ("Sign in", "登录"),
    "sign_in.both_needed": ("Enter your user name and your password.", "请输入用户名和密码。"),
    "sources.with": ("Sign in with {title}", "使用 {title} 登录"),
    "sources.where": ("Account of", "账号类型"),
    "sources.local": ("This platform", "本平台"),
    "sources.none": ("There is no such sign-in source any more.", "该登录来源已不存在。"),
    "sources.unknown": (
        "The source did not recognise you, or does not let you in.",
        "该来源未能识别您的身份，或不允许您登录。",
    ),
    "sources.cancelled": ("The provider reports that the sign-in was cancelled.", "提供方报告登录已取消。"),
    "sources.unusable": (
        "This sign-in source cannot be reached or is not set up correctly. Tell your platform administrator.",
        "无法连接该登录来源，或其配置有误。请联系平台管理员。",
    ),
    "sources.state": (
        "This answer belongs to no sign-in of this browser, or came too late. Begin again.",
        "此应答不属于本浏览器的登录过程，或已超时。请重新开始。",
    ),
    "sign_in.expired": ("This form has expired. Try again.", "此表单已过期，请重试。"),
    "sign_in.forgotten": (
        "Forgotten? An administrator can give you a one-time link.",
        "忘记密码？管理员可以给您一个一次性链接。",
    ),
    # One-time link
    "link.title": ("Welcome", "欢迎"),
    "link.first": (
        "Choose the name and password you will sign in with from now on.",
        "请设置今后登录用的用户名和密码。",
    ),
    "link.again": ("Sign in as {name} with this one-time link.", "使用此一次性链接以 {name} 身份登录。"),
    "link.repeat": ("Password again", "再次输入密码"),
    "link.go": ("Save and sign in", "保存并登录"),
    "link.sign_in": ("Sign in", "登录"),
    "link.later": ("Sign in and set a password later", "先登录，稍后设置密码"),
    "link.new_password": ("Set a new password", "设置新密码"),
    "link.expired_title": ("This link no longer works", "此链接已失效"),
    "link.expired": (
        "A sign-in link works once and for a limited time. Ask whoever runs this installation for "
        "a new one: himalia admin link.",
        "登录链接只能使用一次，且有时限。请向管理员索取新链接：himalia admin link。",
    ),
    "link.differ": ("The two passwords differ.", "两次输入的密码不一致。"),
    # Step-up
    "step_up.title": ("Confirm that it is you", "确认是您本人"),
    "step_up.why": (
        "Administration needs a recent proof. It ends after 10 minutes without input.",
        "管理操作需要近期验证；10 分钟无操作后失效。",
    ),
    "step_up.set_why": (
        "You have no password yet. Set one; it also confirms that it is you.",
        "您还没有密码。请先设置，同时完成验证。",
    ),
    "step_up.go": ("Confirm", "确认"),
    "step_up.set": ("Set password and confirm", "设置密码并确认"),
    "step_up.done": ("Confirmed. You can close this window.", "已确认，可以关闭此窗口。"),
    "step_up.no_opener": (
        "Open this window from the panel that asks for it.",
        "请从需要验证的面板打开此窗口。",
    ),
    # Start page
    "start.title": ("Start a notebook", "启动笔记本"),
    "start.profile": ("Profile", "规格"),
    "start.uses": ("Uses", "占用"),
    "start.when": ("When", "何时"),
    "start.price": ("Price", "价格"),
    "start.left": ("Left after this start", "启动后剩余"),
    "start.of": ("of {limit}", "/ {limit}"),
    "start.no_limit": ("no limit", "不限"),
    "start.you": ("You", "本人"),
    "start.name": ("Name", "名称"),
    "start.environment": ("Environment", "环境"),
    "start.description": ("Description", "说明"),
    "start.optional": ("optional", "可选"),
    "start.go": ("Start {name}", "启动 {name}"),
    "start.starting": ("Starting…", "正在启动…"),
    "start.held": ("{amount} held for 15 min", "预留 15 分钟 {amount}"),
    "start.free": ("free", "免费"),
    "start.per_hour": ("/h", "/小时"),
    "start.python": ("Python {python}, {count} packages, {size}", "Python {python}，{count} 个包，{size}"),
    "start.building": ("being built", "正在构建"),
    "start.count": (
        "{total} notebooks: {running} running, {starting} starting",
        "{total} 个笔记本：{running} 运行中，{starting} 启动中",
    ),
    "start.count_one": (
        "1 notebook: {running} running, {starting} starting",
        "1 个笔记本：{running} 运行中，{starting} 启动中",
    ),
    "start.none": ("No notebook yet", "还没有笔记本"),
    "start.no_profiles": (
        "Your organisation offers no profile for notebooks. An administrator adds one with himalia admin.",
        "您的组织没有可用的笔记本规格，管理员可用 himalia admin 添加。",
    ),
    "start.cpu": ("CPU", "CPU"),
    "start.cores": ("{n} CPU", "{n} CPU"),
    "start.memory": ("Memory, GiB", "内存，GiB"),
    "start.choose": ("Choose a profile.", "请选择规格。"),
    "verdict.starts_now": ("starts now", "立即启动"),
    "verdict.waits": ("waits", "需等待"),
    "verdict.never_fits": ("cannot", "无法启动"),
    "verdict.over_quota": ("cannot", "无法启动"),
    "verdict.too_dear": ("cannot", "无法启动"),
    "verdict.not_permitted": ("cannot", "无法启动"),
    # Notebooks
    "nb.title": ("Notebooks", "笔记本"),
    "nb.open": ("Open", "打开"),
    "nb.stop": ("Stop", "停止"),
    "nb.start": ("Start", "启动"),
    "nb.cancel": ("Cancel", "取消"),
    "nb.delete": ("Delete", "删除"),
    "nb.delete_sure": (
        "Delete {name}? Its files in the home folder stay.",
        "删除 {name}？主目录中的文件会保留。",
    ),
    "nb.so_far": ("{cost} so far", "已花费 {cost}"),
    "nb.opens": ("Opens by itself; you may leave this page", "会自动打开；您可以离开此页"),
    "nb.log": ("Last lines", "最后几行日志"),
    "nb.steps_done": ("{done} of {total} steps done", "已完成 {done}/{total} 步"),
    "nb.usual": ("usual start: {seconds} s", "通常启动：{seconds} 秒"),
    "nb.queue": ("number {position} in line", "排队第 {position} 位"),
    "nb.smaller": ("Choose {profile}, which fits", "改用可启动的 {profile}"),
    "nb.larger": ("Choose {profile}, with more memory", "改用内存更大的 {profile}"),
    "nb.again": ("Try again", "重试"),
    "phase.waiting": ("Waiting", "等待"),
    "phase.queued": ("Queued", "排队"),
    "phase.starting": ("Starting", "启动中"),
    "phase.running": ("Running", "运行中"),
    "phase.stopping": ("Stopping", "停止中"),
    "phase.stopped": ("Stopped", "已停止"),
    "phase.succeeded": ("Ended", "已结束"),
    "phase.failed": ("Failed", "失败"),
    "phase.timed_out": ("Timed out", "超时"),
    "step.admitted": ("Admitted", "准入"),
    "step.scheduled": ("Scheduled", "调度"),
    "step.image": ("Image", "环境"),
    "step.mounts": ("Mounts", "挂载"),
    "step.server": ("Server", "服务"),
    "detail.admitted": ("{uses} held for {name}", "已为 {name} 预留 {uses}"),
    "detail.mounts": ("home", "主目录"),
    "detail.server": ("JupyterLab answers", "JupyterLab 应答"),
    "error.lost": ("The connection was lost; trying again.", "连接中断，正在重试。"),
    # Error pages
    "error.title": ("That did not work", "出错了"),
    "error.404": ("There is nothing here", "这里什么都没有"),
    "error.404_why": (
        "The address is wrong, or what it showed is gone or not yours.",
        "地址有误，或内容已不存在，或您无权查看。",
    ),
    "error.403": ("Not permitted", "没有权限"),
    "error.503": ("Not available right now", "暂时不可用"),
    "error.back": ("Back to the start page", "返回启动页"),
    "error.not_running": ("This notebook is not running", "此笔记本未在运行"),
    "error.not_running_why": (
        "It was stopped or has ended. Its files are kept; start it again from the start page.",
        "它已停止或结束，文件均已保留；请从启动页重新启动。",
    ),
    "error.pending": ("This notebook is starting", "此笔记本正在启动"),
    "error.pending_why": (
        "The start page shows its steps and opens it when it is ready.",
        "启动页会显示进度，并在就绪后打开。",
    ),
    "error.stopping": ("This notebook is stopping", "此笔记本正在停止"),
    "signed_out.title": ("You are signed out", "您已退出登录"),
}


def text(key: str, language: str, **values: object) -> str:
    """The sentence of ``key``, with ``{name}`` replaced by ``values``."""
    english, chinese = TEXTS[key]
    template = chinese if language == "zh" else english
    return template.format(**values) if values else template


def script_texts(language: str) -> dict[str, str]:
    """What ``start.js`` and ``step_up.js`` show."""
    wanted = (
        "start.",
        "verdict.",
        "nb.",
        "phase.",
        "step.",
        "detail.",
        "step_up.",
        "nav.lasts",
        "nav.balance",
        "error.lost",
        "link.differ",
    )
    return {key: text(key, language) for key in TEXTS if key.startswith(wanted)}
