"""Permissions in the person's words: the table's sentence in English, its parts' words in Chinese."""

from __future__ import annotations

from himalia_hub.auth import permissions

_AREAS = {
    "account": "账户",
    "compute": "计算",
    "develop": "开发",
    "data": "数据",
    "train": "训练",
    "model": "模型",
    "serve": "服务",
    "money": "费用",
    "tenancy": "组织管理",
    "audit": "审计",
}
_KINDS = {
    "self": "本人",
    "event": "变更通知",
    "token": "API 令牌",
    "workload": "工作负载",
    "quota": "配额",
    "spec": "规格",
    "task": "任务",
    "notebook": "笔记本",
    "algorithm": "算法",
    "image": "镜像",
    "label_group": "标签组",
    "dataset": "数据集",
    "job": "训练作业",
    "run": "训练运行",
    "model": "模型",
    "service": "在线服务",
    "key": "服务密钥",
    "bill": "账单",
    "balance": "余额",
    "ledger": "收支",
    "price": "价格",
    "recharge": "充值",
    "organisation": "组织",
    "department": "部门",
    "user": "成员",
    "group": "用户组",
    "role": "角色",
    "policy": "安全策略",
    "sender": "消息发送",
    "source": "登录来源",
    "entry": "审计记录",
    "activation": "启用",
    "lock": "锁定",
}
_ACTIONS = {
    "read": "查看",
    "create": "创建",
    "edit": "编辑",
    "delete": "删除",
    "manage": "管理",
    "stop": "停止",
    "cancel": "取消",
    "annotate": "标注",
    "publish": "发布",
    "export": "导出",
    "report": "上报",
    "predict": "调用",
    "grant": "授予",
}


def permission_title(name: str, language: str) -> str:
    """What a permission allows, for people; the name's own words where a part has no Chinese one yet."""
    if language != "zh":
        return permissions.BY_NAME[name].sentence
    area, kind, action = name.split(".")
    return f"{_AREAS.get(area, area)}：{_ACTIONS.get(action, action)}{_KINDS.get(kind, kind)}"
