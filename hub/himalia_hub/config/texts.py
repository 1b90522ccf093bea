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
        "An administrator can also give you a one-time link.",
        "管理员也可以给您一个一次性链接。",
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
    "sign_in.name_needed": ("Enter your user name.", "请输入用户名。"),
    "sign_in.forgot": ("Forgotten your password?", "忘记密码？"),
    "captcha.label": ("Letters of the picture", "图片中的字符"),
    "captcha.picture": (
        "A picture with five letters or digits. If you cannot read it, wait five minutes: then none is asked.",
        "含五个字符的图片。如无法辨认，请等待五分钟，届时无需输入。",
    ),
    "captcha.hint": ("Valid for {seconds} seconds; a new try brings a new one.", "{seconds} 秒内有效；重试会换一张。"),
    # Further steps of a sign-in
    "step.over": (
        "That sign-in took too long or was finished elsewhere. Begin again.",
        "登录已超时或已在别处完成，请重新登录。",
    ),
    "step.factor_title": ("Second step", "第二步验证"),
    "step.totp": ("Enter the code that your authenticator app shows.", "请输入验证器应用显示的验证码。"),
    "step.message": ("We send a code to {to}.", "我们会将验证码发送到 {to}。"),
    "step.send": ("Send the code", "发送验证码"),
    "step.sent": ("The code was sent to {to}. It is valid for 5 minutes.", "验证码已发送到 {to}，5 分钟内有效。"),
    "step.recovery": ("Enter one of your recovery codes. It works once.", "请输入一个恢复码，每个仅可使用一次。"),
    "step.code": ("Code", "验证码"),
    "step.other": ("Another way", "其他方式"),
    "step.by_totp": ("Authenticator app", "验证器应用"),
    "step.by_email": ("Code by e-mail", "邮件验证码"),
    "step.by_sms": ("Code by SMS", "短信验证码"),
    "step.by_wecom": ("Code by WeCom", "企业微信验证码"),
    "step.by_recovery": ("Recovery code", "恢复码"),
    "step.go": ("Continue", "继续"),
    "step.password_title": ("Set a new password", "设置新密码"),
    "step.password_why": (
        "Your present password is an initial one or has expired. Choose another; then you are signed in.",
        "当前密码为初始密码或已过期。请设置新密码，随后即可登录。",
    ),
    "step.old_password": ("Present password", "当前密码"),
    "step.new_password": ("New password", "新密码"),
    "step.privacy_title": ("Privacy statement", "隐私声明"),
    "step.privacy_why": (
        "Before your first work here, read the privacy statement and accept it. It is asked once.",
        "首次使用前，请阅读并接受隐私声明。仅需一次。",
    ),
    "step.accept": ("I have read the privacy statement and accept it.", "我已阅读并接受隐私声明。"),
    "step.accept_go": ("Accept and continue", "接受并继续"),
    "step.again": ("Sign in as somebody else", "以其他用户登录"),
    "forgotten.title": ("Forgotten password", "忘记密码"),
    "forgotten.why": (
        "We send a link to your confirmed e-mail address. It works once, for 15 minutes. "
        "Without a confirmed address, ask an administrator for a one-time link.",
        "我们会将链接发送到您已确认的邮箱，15 分钟内有效，仅可使用一次。未确认邮箱时，请向管理员索取一次性链接。",
    ),
    "forgotten.go": ("Send the link", "发送链接"),
    "forgotten.sent_title": ("Look into your mail", "请查看邮箱"),
    "forgotten.sent": (
        "If the account exists and has a confirmed e-mail address, a link is on its way. It is valid for 15 minutes.",
        "如果该账号存在且已确认邮箱，链接已发出，15 分钟内有效。",
    ),
    "privacy.title": ("Privacy statement", "隐私声明"),
    "privacy.kept_title": ("What is kept", "保存的内容"),
    "privacy.kept": (
        "Your name, organisation and department, how you sign in (passwords only as argon2id hashes), confirmed "
        "contact addresses, what you make here, what it uses and costs, and an audit log of changes and sign-ins "
        "with time and network address.",
        "您的姓名、组织与部门、登录方式（密码仅以 argon2id 散列保存）、已确认的联系方式、您在此创建的内容、"
        "其用量与费用，以及含时间和网络地址的更改与登录审计日志。",
    ),
    "privacy.use_title": ("What it is for", "用途"),
    "privacy.use": (
        "To let you in, to run your work within quota and budget, to bill it, and to find out what went wrong. "
        "Nothing is sent to third parties; the platform runs on the machines of its operator.",
        "用于登录、在配额与预算内运行您的工作、计费以及排查问题。不会发送给第三方；平台运行在其运营者的机器上。",
    ),
    "privacy.see_title": ("Who sees it", "谁可以看到"),
    "privacy.see": (
        "Your files and notebooks: you, and those you share with. Administrators see names, use and cost within "
        "their reach, and may stop work; opening a member's notebook or files is part of no built-in role.",
        "您的文件和笔记本仅您本人及您分享的对象可见。管理员可在其范围内查看名称、用量与费用并可停止工作；"
        "内置角色均无权打开成员的笔记本或文件。",
    ),
    "privacy.rights_title": ("Your rights", "您的权利"),
    "privacy.rights": (
        "You may ask for a copy of your data and for its deletion. Bills and the audit log "
        "keep names as long as law demands.",
        "您可以要求获取数据副本或删除数据。账单和审计日志依法律要求保留姓名。",
    ),
    # Account page
    "account.title": ("Account", "账户"),
    "account.person": ("You", "本人"),
    "account.name": ("User name", "用户名"),
    "account.source": ("Signs in by", "登录方式"),
    "account.local": ("This platform", "本平台"),
    "account.organisation": ("Organisation", "组织"),
    "account.department": ("Department", "部门"),
    "account.none": ("none", "无"),
    "account.this": ("This sign-in", "本次登录"),
    "account.last": ("Last sign-in", "上次登录"),
    "account.from": ("{at} from {address}", "{at}，来自 {address}"),
    "account.roles": ("Roles", "角色"),
    "account.permits": ("permits {count} things", "允许 {count} 项操作"),
    "account.storage": ("Storage", "存储用量"),
    "account.nothing_stored": ("Nothing stored yet.", "尚无存储。"),
    "account.kind.dataset": ("Datasets", "数据集"),
    "account.kind.run": ("Runs", "训练运行"),
    "account.kind.model": ("Models", "模型"),
    "account.kind.image": ("Images", "镜像"),
    "account.kind.other": ("Other: {kind}", "其他：{kind}"),
    "account.reach.own": ("own", "本人"),
    "account.reach.department": ("department", "部门"),
    "account.reach.organisation": ("organisation", "组织"),
    "account.reach.platform": ("platform", "平台"),
    "account.password": ("Password", "密码"),
    "account.changed_at": ("Changed {at}", "上次修改：{at}"),
    "account.no_password": (
        "No password is set; you signed in with a one-time link.",
        "尚未设置密码；您通过一次性链接登录。",
    ),
    "account.ends_at": ("Your password ends on {at}. Change it before.", "您的密码将于 {at} 到期，请在此之前修改。"),
    "account.external": ("Your identity provider keeps your password.", "密码由您的身份提供方管理。"),
    "account.change": ("Change password", "修改密码"),
    "account.changed": ("The password is changed; your other sessions have ended.", "密码已修改，其他会话已结束。"),
    "account.factor": ("Second factor", "第二因素"),
    "account.factor_why": (
        "A code beside the password: who learns your password is still not you.",
        "在密码之外再需一个验证码：仅知道密码的人无法登录。",
    ),
    "account.factor_off": ("not set up", "未设置"),
    "account.factor_on": ("in force", "已启用"),
    "account.set_up": ("Set up", "设置"),
    "account.remove": ("Remove", "移除"),
    "account.scan": (
        "Scan this picture with your authenticator app, or type the secret. Then enter the code it shows.",
        "请用验证器应用扫描图片或输入密钥，然后输入其显示的验证码。",
    ),
    "account.secret": ("Secret", "密钥"),
    "account.qr": ("QR code of the secret", "密钥二维码"),
    "account.verify": ("Verify", "验证"),
    "account.codes": ("Recovery codes", "恢复码"),
    "account.codes_left": ("{count} of 10 left", "剩余 {count} / 10"),
    "account.codes_new": ("New codes", "生成新恢复码"),
    "account.codes_keep": (
        "Keep these somewhere safe. Each works once; they are not shown again.",
        "请妥善保存。每个仅可使用一次，且不会再次显示。",
    ),
    "account.codes_done": ("I have kept them", "我已保存"),
    "account.email": ("E-mail", "邮箱"),
    "account.email_why": ("For a forgotten password and for codes.", "用于找回密码和接收验证码。"),
    "account.email_none": ("No sender for e-mail is set up on this installation.", "本安装未设置邮件发送。"),
    "account.email_set": ("Confirm an address", "确认邮箱"),
    "account.email_code": ("Enter the code we sent to {to}.", "请输入发送到 {to} 的验证码。"),
    "account.confirmed": ("confirmed", "已确认"),
    "account.proof": ("Your password, to be sure that it is you", "请输入密码以确认是您本人"),
    "account.cancel": ("Cancel", "取消"),
    "account.go": ("Continue", "继续"),
    "account.tokens": ("API tokens", "API 令牌"),
    "account.tokens_why": (
        "For programs outside of notebooks. A token can do what you choose, never more than you.",
        "供笔记本之外的程序使用。令牌的权限由您选择，不会超过您本人。",
    ),
    "account.tokens_none": ("No token yet.", "尚无令牌。"),
    "account.token_new": ("New token", "新建令牌"),
    "account.token_name": ("Name", "名称"),
    "account.token_reach": ("Reach", "范围"),
    "account.token_ends": ("Ends", "到期"),
    "account.token_never": ("never", "永不"),
    "account.token_days": ("in {days} days", "{days} 天后"),
    "account.token_scope": ("May do", "权限"),
    "account.token_all": ("everything you may", "您的全部权限"),
    "account.token_some": ("{count} permissions", "{count} 项权限"),
    "account.token_once": ("Copy it now: it is shown this once.", "请立即复制：仅显示一次。"),
    "account.token_revoke": ("Revoke", "撤销"),
    "account.token_revoke_sure": (
        "Revoke {name}? Programs that use it stop working.",
        "撤销 {name}？使用它的程序将无法继续工作。",
    ),
    "account.language": ("Language", "语言"),
    "account.about": ("About", "关于"),
    "account.version": ("Version", "版本"),
    "account.licence": ("Licence", "许可证"),
    "account.privacy": ("Privacy statement", "隐私声明"),
    "account.accepted": ("accepted {at}", "接受于 {at}"),
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
    "step_up.code": ("or the code of your authenticator app", "或输入验证器应用的验证码"),
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


def account_texts(language: str) -> dict[str, str]:
    """What ``account.js`` shows."""
    wanted = ("account.", "step.by_", "step.code", "link.differ", "error.lost")
    return {key: text(key, language) for key in TEXTS if key.startswith(wanted)}
