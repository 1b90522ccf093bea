/** 训练、模型、服务、费用与笔记本。 */
import type { work as english } from '../en/work';

export const work: Record<keyof typeof english, string> = {
  'work.unsaved': '未保存'
};
