/** 中心服务的配置方案。 */
import type { profile as english } from '../en/profile';

export const profile: Record<keyof typeof english, string> = {
  'profile.change': '以其他配置方案启动 {name}',
  'profile.gone': '其配置方案“{profile}”已不再提供，请选择其他方案。',
  'profile.label': '配置方案'
};
