/** Simplified Chinese; the type makes a missing or surplus key a compile error. */
import type { en } from './en';
import { administration } from './zh/administration';
import { data } from './zh/data';
import { frame } from './zh/frame';
import { podpreview } from './zh/podpreview';
import { profile } from './zh/profile';
import { work } from './zh/work';

export const zh: Record<keyof typeof en, string> = { ...frame, ...data, ...work, ...administration, ...podpreview, ...profile };
