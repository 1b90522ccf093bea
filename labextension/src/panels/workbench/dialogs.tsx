/** The keys, and the history of a picture. */
import type { JSX } from 'react';
import type { Dataset, HistoryEntry, Item } from '../../api/types';
import { Kbd, LabelDot, Time } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { ErrorView, SkeletonRows } from '../../components/feedback';
import { t, tValue } from '../../i18n';
import { useHistory } from '../../queries/data';
import { keyWords, type WorkbenchAction } from './actions';

export function KeysDialog({ actions, onClose }: { actions: readonly WorkbenchAction[]; onClose: () => void }): JSX.Element {
  const byWords = new Map<WorkbenchAction['words'], string[]>();
  for (const action of actions) {
    const shown = action.words === 'workbench.keys.label' ? action.keys : action.keys.slice(0, 2);
    byWords.set(action.words, [...(byWords.get(action.words) ?? []), ...shown]);
  }
  return (
    <Dialog title={t('workbench.keys.title')} onClose={onClose}>
      <dl className="hm-keys">
        {[...byWords].map(([words, keys]) => (
          <div key={words}>
            <dt>{t(words)}</dt>
            <dd>
              {keys.slice(0, 10).map(key => (
                <Kbd key={key}>{keyWords(key)}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

export function History({ dataset, item, onClose }: { dataset: Dataset; item: Item; onClose: () => void }): JSX.Element {
  const history = useHistory(dataset.id, item.id, true);
  return (
    <Dialog title={`${t('workbench.history')}: ${item.name}`} onClose={onClose}>
      {history.isLoading ? (
        <SkeletonRows rows={3} />
      ) : history.error ? (
        <ErrorView error={history.error} onRetry={() => void history.refetch()} />
      ) : history.data?.length ? (
        <ol className="hm-history">
          {history.data.map(entry => (
            <li key={`${entry.at}-${entry.op}`}>
              <Time at={entry.at} />
              <span>{typeof entry.by === 'string' ? entry.by : entry.by?.name}</span>
              <span>{tValue('op', entry.op)}</span>
              <span className="hm-itemlabels">{entryLabels(entry, dataset)}</span>
            </li>
          ))}
        </ol>
      ) : (
        <p className="hm-muted">{t('workbench.historyEmpty')}</p>
      )}
    </Dialog>
  );
}

function entryLabels(entry: HistoryEntry, dataset: Dataset): JSX.Element[] {
  return (entry.labels ?? []).map(one => {
    const id = typeof one === 'number' ? one : one.label_id;
    const label = dataset.label_group.labels.find(known => known.id === id);
    const name = label?.name ?? (typeof one === 'number' ? `#${one}` : one.name);
    return (
      <span key={id}>
        <LabelDot colour={label?.colour ?? 'var(--himalia-rest)'} />
        {name}
      </span>
    );
  });
}
