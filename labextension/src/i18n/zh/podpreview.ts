/** 启动预览。 */
import type { podpreview as english } from '../en/podpreview';

export const podpreview: Record<keyof typeof english, string> = {
  'podpreview.explain': '按此规格启动笔记本时，中心服务依其配置将创建的内容。不会真正创建；密钥已隐藏。',
  'podpreview.explainLocal': '本系统在单机沙箱中运行笔记本；此处为该规格对应的沙箱。',
  'podpreview.hooks': '以下钩子会产生实际动作，预览时未执行：{names}。',
  'podpreview.open': '查看 Pod',
  'podpreview.profile': '配置方案',
  'podpreview.profileDefault': '默认方案',
  'podpreview.title': '启动时将创建的内容'
};
