"""Titles of roles and sentences of permissions in Chinese; the English ones are in the table itself."""

from __future__ import annotations

from himalia_hub.auth import permissions

TITLES: dict[str, tuple[str, str]] = {
    permissions.ADMINISTRATOR: ("Administrator", "平台管理员"),
    permissions.READ_ONLY: ("Read only", "只读"),
    permissions.OPERATOR: ("Service operator", "服务操作员"),
    permissions.OPEN_API: ("API only", "仅 API"),
    permissions.TENANT_ADMIN: ("Organisation administrator", "组织管理员"),
    permissions.DEPARTMENT_ADMIN: ("Department administrator", "部门管理员"),
    permissions.MEMBER: ("Member", "成员"),
    permissions.ANNOTATOR: ("Annotator", "标注员"),
    permissions.AUDITOR: ("Auditor", "审计员"),
    permissions.SYSTEM_ADMIN: ("System administrator", "系统管理员"),
    permissions.SECURITY_ADMIN: ("Security administrator", "安全管理员"),
}

POLICIES = {
    "full_access": ("Full access", "全部权限"),
    "common_operations": (
        "Common operations: all but dedicated resource pools",
        "常用操作：除专属资源池管理外的全部权限",
    ),
}

SENTENCES: dict[str, str] = {
    "account.self.read": "查看本人信息、平台信息、规格、环境与价格",
    "account.event.read": "接收可见对象的变更通知",
    "account.token.manage": "创建、查看和撤销本人的 API 令牌",
    "compute.workload.read": "查看占用资源的作业及其日志和用量",
    "compute.workload.stop": "停止占用资源的作业",
    "compute.quota.read": "查看配额及其使用情况",
    "compute.quota.manage": "设置配额",
    "compute.spec.manage": "创建、编辑和删除资源规格",
    "compute.pool.manage": "创建、编辑和删除专属资源池与节点组",
    "compute.task.read": "查看长时间操作及其进度",
    "compute.task.cancel": "取消长时间操作",
    "develop.notebook.read": "查看 Notebook",
    "develop.notebook.create": "创建、编辑和启动 Notebook",
    "develop.notebook.stop": "停止 Notebook",
    "develop.notebook.delete": "删除 Notebook",
    "develop.algorithm.read": "查看算法",
    "data.label_group.read": "查看标签组",
    "data.label_group.edit": "创建、编辑、复制和删除标签组",
    "data.dataset.read": "查看数据集及其数据、版本与统计",
    "data.dataset.create": "创建数据集",
    "data.dataset.edit": "编辑数据集、导入数据、删除和恢复数据",
    "data.dataset.annotate": "标注数据",
    "data.dataset.publish": "发布和管理数据集版本",
    "data.dataset.export": "导出数据集版本",
    "data.dataset.delete": "删除数据集",
    "train.job.read": "查看训练任务与运行",
    "train.job.create": "创建训练任务、启动和重复运行",
    "train.job.stop": "停止运行",
    "train.job.delete": "删除训练任务与运行",
    "train.run.report": "上报运行自身的指标、进度与输出",
    "model.model.read": "查看模型、版本及其文件",
    "model.model.edit": "创建和编辑模型、版本与别名",
    "model.model.delete": "删除模型与版本",
    "serve.service.read": "查看在线服务、修订版本与监控",
    "serve.service.edit": "创建、编辑、启动服务并调整权重",
    "serve.service.stop": "停止服务",
    "serve.service.delete": "删除服务",
    "serve.service.predict": "在面板中调用服务",
    "serve.key.manage": "创建和撤销服务密钥",
    "money.bill.read": "查看账单与消费",
    "money.balance.read": "查看组织余额",
    "money.ledger.read": "查看组织收支明细",
    "money.price.manage": "设置价格",
    "money.recharge.create": "充值",
    "tenancy.organisation.read": "查看组织",
    "tenancy.organisation.manage": "创建、编辑、启用和停用组织",
    "tenancy.department.read": "查看部门",
    "tenancy.department.manage": "创建、编辑、启用、停用和删除部门",
    "tenancy.user.read": "查看成员",
    "tenancy.user.manage": "创建、导入、编辑、停用和删除成员",
    "tenancy.user.activate": "启用和解锁成员、重置其第二因素、生成一次性登录链接",
    "tenancy.group.read": "查看用户组及其成员",
    "tenancy.group.manage": "创建、编辑和删除用户组并调整其成员",
    "tenancy.role.read": "查看角色及其持有者",
    "tenancy.role.manage": "创建、编辑和删除自定义角色",
    "tenancy.role.grant": "授予和收回不超出自身权限的角色",
    "tenancy.role.grant_any": "授予、创建和收回超出自身权限的角色",
    "tenancy.policy.manage": "查看和修改安全策略",
    "tenancy.source.manage": "设置登录来源及其声明映射",
    "tenancy.sender.manage": "设置和测试消息发送方式",
    "audit.entry.read": "查看审计日志",
    "sharing.share.read": "查看共享给自己的对象及自己的共享",
    "sharing.share.manage": "共享自己的对象并收回",
    "compute.workload.load": "读取本次运行的只读文件夹",
    "console.checklist.read": "查看安装与组织尚缺的设置",
}


def title(role: str, language: str) -> str:
    english, chinese = TITLES[role]
    return chinese if language == "zh" else english


def sentence(permission: str, language: str) -> str:
    english = permissions.BY_NAME[permission].sentence
    return SENTENCES.get(permission, english) if language == "zh" else english
