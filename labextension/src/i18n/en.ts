/** English, put together from one file per area, so that areas can be written side by side. */
import { administration } from './en/administration';
import { data } from './en/data';
import { frame } from './en/frame';
import { podpreview } from './en/podpreview';
import { profile } from './en/profile';
import { work } from './en/work';

export const en = { ...frame, ...data, ...work, ...administration, ...podpreview, ...profile } as const;
