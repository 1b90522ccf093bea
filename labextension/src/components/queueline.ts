/** Where work stands in the queue and when it probably starts: half of the cases, and nine of ten. */
import type { Workload } from '../api/types';
import { formatSpan } from '../domain/format';
import { t } from '../i18n';

export type Queued = Pick<Workload, 'phase' | 'queue_position' | 'expected_start_at' | 'expected_start_latest_at'>;

/** `place 3 · likely in 12 min, within 40 min in nine of ten cases`; empty when it does not wait in the queue. */
export function queueWords(work: Queued | null | undefined, now: number): string {
  if (work?.phase !== 'queued' || !work.queue_position) {
    return '';
  }
  const until = (moment: string) => formatSpan((Date.parse(moment) - now) / 1000);
  const { expected_start_at: half, expected_start_latest_at: latest } = work;
  const place = t('queue.place', { place: work.queue_position });
  if (!half) {
    return latest ? `${place} · ${t('queue.latest', { latest: until(latest) })}` : place;
  }
  const likely = Date.parse(half) > now ? t('queue.likely', { half: until(half) }) : t('queue.soon');
  return `${place} · ${likely}${latest ? t('queue.within', { latest: until(latest) }) : ''}`;
}
