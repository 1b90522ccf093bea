/** The verdict line of a form that takes resources: starts now, waits, or cannot, with price and what remains. */
import type { JSX } from 'react';
import type { Verdict } from '../api/types';
import { formatBytes, formatMoney, formatNumber, acceleratorName } from '../domain/format';
import { language, t } from '../i18n';
import { ErrorLine } from './feedback';
import { Icon, type IconName } from './icons';

export const VERDICT_LOOK: Record<Verdict['verdict'], { icon: IconName; tone: string }> = {
  starts_now: { icon: 'disc', tone: 'hm-run' },
  waits: { icon: 'half', tone: 'hm-wait' },
  never_fits: { icon: 'ring', tone: 'hm-fail' },
  over_quota: { icon: 'ring', tone: 'hm-fail' },
  too_dear: { icon: 'ring', tone: 'hm-fail' },
  not_permitted: { icon: 'ring', tone: 'hm-fail' }
};

export const canStart = (verdict: Verdict | undefined): boolean =>
  verdict?.verdict === 'starts_now' || verdict?.verdict === 'waits';

export const verdictSentence = (verdict: Verdict): string =>
  (language() === 'zh' ? verdict.sentence_zh : verdict.sentence) || t(`verdict.${verdict.verdict}`);

/** A quota resource in the person's units: millis as cores, bytes as GiB, accelerators as pieces. */
export function resourceAmount(resource: string, value: number): string {
  if (resource.startsWith('cpu')) {
    return formatNumber(resource.endsWith('millis') ? value / 1000 : value, value % 1000 ? 1 : 0);
  }
  return resource.includes('bytes') ? formatBytes(value) : formatNumber(value);
}

/** `14 / 32`, `41 / 128 GiB`: the unit once when it is the same. */
export function resourcePair(resource: string, used: number, limit: number): string {
  const [a, b] = [resourceAmount(resource, used), resourceAmount(resource, limit)];
  const [unitA, unitB] = [a.split(' ')[1], b.split(' ')[1]];
  const short = unitA && unitA === unitB ? a.slice(0, -unitA.length - 1).replace(/\.0$/, '') : a;
  return t('quota.of', { used: short, limit: b });
}

export function resourceName(resource: string): string {
  if (resource.startsWith('cpu')) {
    return t('quota.cpu');
  }
  if (resource.startsWith('memory')) {
    return t('quota.memory');
  }
  return resource.startsWith('storage') ? t('quota.storage') : acceleratorName(resource);
}

export interface VerdictLineProps {
  verdict: Verdict | undefined;
  error?: unknown;
  /** What remains at each level, below the sentence. */
  remaining?: boolean;
}

export function VerdictLine({ verdict, error, remaining }: VerdictLineProps): JSX.Element {
  if (error) {
    return <ErrorLine error={error} />;
  }
  if (!verdict) {
    return (
      <div className="hm-verdict" role="status">
        <Icon name="arc" size={14} className="hm-turn" />
        <span className="hm-muted">{t('verdict.checking')}</span>
      </div>
    );
  }
  const look = VERDICT_LOOK[verdict.verdict];
  return (
    <div className="hm-verdict" role="status">
      <Icon name={look.icon} size={14} className={look.tone} />
      <span className="hm-grow">{verdictSentence(verdict)}</span>
      <b>{t('money.perHour', { money: formatMoney(verdict.price_per_hour_micros) })}</b>
      {remaining && (
        <ul>
          {Object.keys(verdict.uses).length > 0 && (
            <li>
              <span>{t('verdict.uses')}</span>
              {Object.entries(verdict.uses).map(([resource, amount]) => (
                <span key={resource} className="hm-muted">
                  {resourceName(resource)} {resourceAmount(resource, amount)}
                </span>
              ))}
            </li>
          )}
          {verdict.levels.map(level => (
            <li key={level.level}>
              <span>{level.name || t(`verdict.level.${level.level}`)}</span>
              {level.resources
                .filter(one => one.limit !== null && one.available !== null)
                .map(one => (
                  <span key={one.resource} className="hm-muted">
                    {t('verdict.remaining', {
                      resource: resourceName(one.resource),
                      available: resourceAmount(one.resource, one.available ?? 0),
                      limit: resourceAmount(one.resource, one.limit ?? 0)
                    })}
                  </span>
                ))}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
