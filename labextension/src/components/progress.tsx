/** Progress of a task: done and total, rate, time left, cancel. The same in side panel, row and page. */
import type { JSX } from 'react';
import type { Task } from '../api/types';
import { formatBytes, formatNumber, formatSpan } from '../domain/format';
import { hasEnded } from '../domain/state';
import { t, tValue } from '../i18n';
import { IconButton, Meter } from './basics';
import { Icon } from './icons';

export interface ProgressLike {
  done: number;
  total: number | null;
  unit: 'items' | 'bytes';
  ratePerSecond?: number | null;
  remainingSeconds?: number | null;
}

const amount = (value: number, unit: ProgressLike['unit']) => (unit === 'bytes' ? formatBytes(value) : formatNumber(value));

/** `18,154 / 29,760 · 34 MiB/s · 54 s left` */
export function progressWords(progress: ProgressLike): string {
  const { done, total, unit, ratePerSecond, remainingSeconds } = progress;
  const parts = [total ? `${amount(done, unit)} / ${amount(total, unit)}` : amount(done, unit)];
  if (ratePerSecond) {
    parts.push(t('progress.perSecond', { rate: amount(Math.round(ratePerSecond), unit) }));
  }
  if (remainingSeconds !== null && remainingSeconds !== undefined) {
    parts.push(t('progress.left', { time: formatSpan(remainingSeconds) }));
  }
  return parts.join(' · ');
}

/** `54 s left · 34 MiB/s`, for narrow places. */
export function progressShort(progress: ProgressLike): string {
  const { done, total, unit, ratePerSecond, remainingSeconds } = progress;
  const left =
    remainingSeconds === null || remainingSeconds === undefined
      ? amount(done, unit) + (total ? ` / ${amount(total, unit)}` : '')
      : t('progress.left', { time: formatSpan(remainingSeconds) });
  return ratePerSecond
    ? `${left} · ${t('progress.perSecond', { rate: amount(Math.round(ratePerSecond), unit) })}`
    : left;
}

export const taskProgress = (task: Task): ProgressLike => ({
  done: task.done,
  total: task.total,
  unit: task.unit,
  ratePerSecond: task.rate_per_second,
  remainingSeconds: task.remaining_seconds
});

export const taskShare = (task: Pick<Task, 'done' | 'total'>): number => (task.total ? task.done / task.total : 0);

export function TaskProgress({ task, onCancel }: { task: Task; onCancel?: () => void }): JSX.Element {
  const name = tValue('task', task.kind);
  const ended = hasEnded(task.state);
  const failed = task.state === 'failed';
  return (
    <div className="hm-progress">
      <div className="hm-row">
        <span className={failed ? 'hm-fail' : ended ? 'hm-run' : 'hm-busy'}>
          <Icon name={failed ? 'warning' : ended ? 'check' : 'arc'} size={12} /> {name}
        </span>
        <span className="hm-muted hm-ell hm-grow">
          {failed ? (task.error?.detail ?? task.message ?? t('progress.failed')) : progressWords(taskProgress(task))}
        </span>
        {!ended && onCancel && (
          <IconButton icon="close" small label={t('progress.cancel', { name })} onClick={onCancel} />
        )}
      </div>
      {!ended && <Meter share={taskShare(task)} label={name} />}
    </div>
  );
}
