/** What differs between two versions, or a version and the draft, with the pictures, before and after. */
import { useState, type JSX } from 'react';
import type { ComparedItem, Dataset, DatasetVersion } from '../../api/types';
import { Button, Segment } from '../../components/basics';
import { Empty, ErrorView, SkeletonRows } from '../../components/feedback';
import { Icon, type IconName } from '../../components/icons';
import { ItemLabels, Thumb } from '../../components/thumb';
import { formatNumber } from '../../domain/format';
import { t } from '../../i18n';
import { useComparison, type Change } from '../../queries/data';

export const DRAFT = 'draft';
const CHANGES = ['added', 'removed', 'relabelled'] as const;
const LOOK: Record<Change, { icon: IconName; tone: string }> = {
  added: { icon: 'plus', tone: 'hm-run' },
  removed: { icon: 'minus', tone: 'hm-fail' },
  relabelled: { icon: 'label', tone: 'hm-busy' }
};

interface CompareProps {
  dataset: Dataset;
  versions: readonly DatasetVersion[];
  from: string;
  to: string;
  onChange: (from: string, to: string) => void;
  onClose: () => void;
}

export function CompareView({ dataset, versions, from, to, onChange, onClose }: CompareProps): JSX.Element {
  const [change, setChange] = useState<Change | ''>('');
  const compared = useComparison(dataset.id, from, to, change);
  const { totals } = compared;
  const all = totals ? totals.added + totals.removed + totals.relabelled : 0;
  const choices = [...versions.map(version => version.version), DRAFT];
  const select = (label: string, value: string, pick: (value: string) => void, options: string[]) => (
    <label className="hm-row">
      <span className="hm-muted">{label}</span>
      <span className="hm-select">
        <select className="hm-input" value={value} onChange={event => pick(event.target.value)}>
          {options.map(one => (
            <option key={one} value={one}>
              {one === DRAFT ? t('compare.draft') : one}
            </option>
          ))}
        </select>
        <Icon name="chevron" size={12} />
      </span>
    </label>
  );
  return (
    <>
      <div className="hm-filters hm-itemfilters">
        <Button icon="left" look="quiet" onClick={onClose}>
          {t('compare.close')}
        </Button>
        {select(t('compare.from'), from, value => onChange(value, to), choices.filter(one => one !== DRAFT))}
        {select(t('compare.to'), to, value => onChange(from, value), choices)}
        <span className="hm-grow" />
        {totals && (
          <Segment
            label={t('versions.compare')}
            value={change}
            onChange={setChange}
            options={[
              { value: '', label: `${t('filter.all')} ${formatNumber(all)}` },
              ...CHANGES.map(value => ({ value, label: `${t(`compare.${value}`)} ${formatNumber(totals[value])}` }))
            ]}
          />
        )}
      </div>
      {compared.isLoading ? (
        <SkeletonRows />
      ) : compared.error && !totals ? (
        <ErrorView error={compared.error} />
      ) : all === 0 ? (
        <Empty icon="check" title={t('compare.same')}>
          {t('compare.sameHint')}
        </Empty>
      ) : (
        <ul className="hm-compare" tabIndex={0} aria-label={t('versions.compare')}>
          {compared.items.map(item => (
            <Difference key={`${item.change}-${item.item}`} item={item} />
          ))}
          {compared.items.length >= 500 && <li className="hm-muted">{t('compare.more', { count: 500 })}</li>}
        </ul>
      )}
    </>
  );
}

function Difference({ item }: { item: ComparedItem }): JSX.Element {
  const look = LOOK[item.change];
  return (
    <li>
      <Thumb path={item.thumbnail} name={item.name} />
      <span className="hm-row hm-sm">
        <span className={look.tone} title={t(`compare.${item.change}`)}>
          <Icon name={look.icon} size={12} />
        </span>
        <span className="hm-ell" title={item.name}>
          {item.name}
        </span>
      </span>
      <span className="hm-beforeafter">
        {item.change !== 'added' && (
          <span className="hm-was" title={t('compare.before')}>
            <ItemLabels labels={item.before} empty={t('compare.none')} />
          </span>
        )}
        {item.change === 'relabelled' && <Icon name="right" size={12} />}
        {item.change !== 'removed' && (
          <span title={t('compare.after')}>
            <ItemLabels labels={item.after} empty={t('compare.none')} />
          </span>
        )}
      </span>
    </li>
  );
}
