/** The start-up tree: admitted, scheduled, environment, data, start, each with its time; the failing step says why. */
import type { JSX } from 'react';
import type { Step } from '../api/types';
import { formatElapsed, secondsSince } from '../domain/format';
import { t } from '../i18n';
import { useNow } from '../queries/account';
import { Icon, type IconName } from './icons';
import { queueWords, type Queued } from './queueline';

const LOOK: Record<Step['state'], { icon: IconName; tone: string }> = {
  waiting: { icon: 'ring', tone: 'hm-rest' },
  active: { icon: 'arc', tone: 'hm-busy' },
  done: { icon: 'check', tone: 'hm-run' },
  failed: { icon: 'warning', tone: 'hm-fail' }
};

export interface StartTreeProps {
  steps: readonly Step[];
  /** Of which they are the steps: while it waits for room the first step says when it probably starts. */
  work?: Queued;
}

export function StartTree({ steps, work }: StartTreeProps): JSX.Element {
  const now = useNow();
  return (
    <ol className="hm-tree">
      {steps.map(step => {
        const look = LOOK[step.state];
        const end = step.ended_at ? Date.parse(step.ended_at) : now;
        return (
          <li key={step.name} className={`hm-step-${step.state}`}>
            <Icon name={look.icon} size={14} className={look.tone} />
            <b>{t(`tree.${step.name}`)}</b>
            <span className={step.state === 'failed' ? 'hm-fail' : 'hm-muted'}>{(step.name === 'admitted' && queueWords(work, now)) || step.detail}</span>
            <span className="hm-num hm-muted">
              {step.started_at && formatElapsed(secondsSince(step.started_at, end))}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
