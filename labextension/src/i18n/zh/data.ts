/** 数据集、标签组与标注台。 */
import type { data as english } from '../en/data';

export const data: Record<keyof typeof english, string> = {
  'datasets.title': '数据集'
};
