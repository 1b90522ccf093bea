/** Labels at the right, with keys; what is known of the picture below. */
import type { JSX } from 'react';
import type { Dataset } from '../../api/types';
import { Button, Kbd, LabelDot, State } from '../../components/basics';
import { CheckField } from '../../components/fields';
import { Icon } from '../../components/icons';
import { originWords } from '../../components/thumb';
import { formatBytes } from '../../domain/format';
import { t } from '../../i18n';
import type { WorkbenchAction } from './actions';
import { performer } from './toolbar';
import { labelKeys } from './useactions';
import type { Bench } from './usebench';

interface InspectorProps {
  dataset: Dataset;
  bench: Bench;
  actions: readonly WorkbenchAction[];
}

export function Inspector({ dataset, bench, actions }: InspectorProps): JSX.Element {
  const perform = performer(actions);
  const { current } = bench;
  const chosen = new Map(current?.labels.map(label => [label.label_id, label]));
  return (
    <aside className="hm-inspector">
      <h2>{t('workbench.labels')}</h2>
      <div
        className="hm-labellist"
        role={dataset.multi_label ? 'group' : 'radiogroup'}
        aria-label={t('workbench.labels')}
      >
        {labelKeys(dataset.label_group.labels).map(({ label, key }) => {
          const has = chosen.get(label.id);
          return (
            <button
              key={label.id}
              type="button"
              data-key-through
              role={dataset.multi_label ? 'checkbox' : 'radio'}
              aria-checked={!!has}
              disabled={!current}
              className={has ? 'hm-on' : undefined}
              title={has ? originWords(has) : undefined}
              onClick={() => perform(`label-${label.id}`)}
            >
              <LabelDot colour={label.colour} />
              <span className="hm-grow hm-ell">{label.name}</span>
              {has && <Icon name="check" size={12} className="hm-run" />}
              {key && <Kbd>{key.toUpperCase()}</Kbd>}
            </button>
          );
        })}
      </div>
      <div className="hm-labelactions">
        <Button
          small
          icon="none"
          aria-pressed={current?.state === 'nothing_to_label'}
          disabled={!current}
          onClick={() => perform('nothing')}
        >
          {t('workbench.nothing')}
        </Button>
        <Button small icon="close" disabled={!current || current.state === 'none'} onClick={() => perform('clear')}>
          {t('workbench.clear')}
        </Button>
      </div>
      {!dataset.multi_label && (
        <div className="hm-auto">
          <CheckField label={t('workbench.auto')} hint={t('workbench.autoHint')} checked={bench.auto} onChange={bench.setAuto} />
        </div>
      )}
      {current && (
        <dl className="hm-pairs hm-itemfacts">
          <dt>{t('workbench.file')}</dt>
          <dd className="hm-ell" title={current.name}>
            {current.name}
          </dd>
          <dt>{t('workbench.size')}</dt>
          <dd>
            {current.width} × {current.height} · {formatBytes(current.bytes)}
          </dd>
          <dt>{t('workbench.state')}</dt>
          <dd>
            <State state={current.state} />
          </dd>
          {current.labels[0]?.by && (
            <>
              <dt>{t('workbench.by')}</dt>
              <dd className="hm-ell">{current.labels[0].by}</dd>
            </>
          )}
        </dl>
      )}
    </aside>
  );
}
