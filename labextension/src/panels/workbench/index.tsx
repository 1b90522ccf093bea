/**
 * The workbench for image classification: strip of pictures, the picture, labels; every action by key and by mouse.
 *
 * What is done here is in the browser's database before anything is sent (labelling/), so that neither a reload nor a lost
 * connection loses a label.
 */
import { useCallback, useEffect, useRef, useState, type JSX } from 'react';
import type { Dataset } from '../../api/types';
import { NORMAL_LIGHT } from '../../canvas/render';
import { Empty, ErrorView, SkeletonPage, toast } from '../../components/feedback';
import { useFrame, useTab, useTitle } from '../../frame';
import { t, tValue } from '../../i18n';
import { useDataset, useStatistics } from '../../queries/data';
import { Button } from '../../components/basics';
import type { PanelProps } from '../registry';
import { findAction, pressed } from './actions';
import { PictureCanvas, type CanvasHandle } from './canvas';
import { History, KeysDialog } from './dialogs';
import { Inspector } from './inspector';
import { Strip } from './strip';
import { Hints, Toolbar } from './toolbar';
import { useActions } from './useactions';
import { useBench } from './usebench';

export default function WorkbenchPanel({ args }: PanelProps): JSX.Element {
  const id = Number(args['id']);
  const { open } = useFrame();
  const dataset = useDataset(id);
  useTitle(dataset.data?.name);
  if (dataset.isLoading) {
    return <SkeletonPage />;
  }
  if (!dataset.data) {
    return <ErrorView error={dataset.error} onRetry={() => void dataset.refetch()} />;
  }
  if (!dataset.data.items) {
    return (
      <Empty
        icon="image"
        title={t('dataset.empty')}
        action={<Button onClick={() => open('dataset', { id })}>{t('dataset.import')}</Button>}
      />
    );
  }
  return <Workbench dataset={dataset.data} />;
}

const READ_MS = 6_000;
const AHEAD = 3;

function Workbench({ dataset }: { dataset: Dataset }): JSX.Element {
  const { client } = useFrame();
  const tab = useTab();
  const root = useRef<HTMLDivElement>(null);
  const canvas = useRef<CanvasHandle>(null);
  const [light, setLight] = useState(NORMAL_LIGHT);
  const [showing, setShowing] = useState<'keys' | 'history' | null>(null);
  const [note, setNote] = useState('');
  const bench = useBench(dataset);
  const statistics = useStatistics(dataset.id);
  const { current } = bench;
  const say = useCallback((words: string) => setNote(words), []);
  const actions = useActions({ dataset, bench, canvas, say, setShowing });

  useEffect(() => {
    if (note) {
      const timer = setTimeout(() => setNote(''), READ_MS);
      return () => clearTimeout(timer);
    }
  }, [note]);

  useEffect(() => {
    root.current?.focus();
  }, []);

  const { parked } = bench.labelling.outbox;
  const parkedCount = parked.length;
  useEffect(() => {
    const last = parked.at(-1);
    if (last) {
      toast(t('workbench.parked', { count: parkedCount, reason: tValue('parked', last.reason ?? last.outcome) }));
    }
    // One note for each growth of the list.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [parkedCount]);

  const onKeyDown = (event: React.KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (target.closest('input:not([type=range]):not([type=checkbox]), textarea, select, dialog, .hm-menulist')) {
      return;
    }
    const key = pressed(event);
    // Enter and Space on a focused button press that button.
    if ((key === 'Enter' || key === ' ') && target.closest('button') && !target.closest('[data-key-through]')) {
      return;
    }
    const action = findAction(actions, key);
    if (action) {
      event.preventDefault();
      event.stopPropagation();
      action.perform();
    }
  };

  // The pictures that come next are fetched ahead: going on is immediate, also over a slow line.
  const ahead = bench.items.slice(bench.at + 1, bench.at + 1 + AHEAD).map(item => item.id);
  const aheadKey = ahead.join();
  useEffect(() => {
    for (const item of ahead) {
      new Image().src = client.url(`/datasets/${dataset.id}/items/${item}/image`);
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [aheadKey]);

  const counts = statistics.data?.by_state;
  const openCount = counts
    ? (counts.none ?? 0) + (counts.unfinished ?? 0) + (counts.automatic ?? 0)
    : dataset.items - dataset.confirmed;
  const url = current && client.url(`/datasets/${dataset.id}/items/${current.id}/image`);
  return (
    <div
      className="hm-workbench"
      ref={root}
      tabIndex={-1}
      onKeyDown={onKeyDown}
      data-lm-suppress-shortcuts="true"
      data-ready={bench.labelling.ready}
    >
      <Toolbar bench={bench} actions={actions} light={light} onLight={setLight} total={bench.list.total} />
      <div className="hm-bench">
        <Strip
          bench={bench}
          openCount={openCount}
          onlyOpen={bench.onlyOpen}
          onOnlyOpen={only => tab.setView({ 'view.open': only || null })}
        />
        {current && url ? (
          <PictureCanvas ref={canvas} url={url} name={current.name} light={light}>
            {note && (
              <span className="hm-benchnote" role="status">
                {note}
              </span>
            )}
          </PictureCanvas>
        ) : (
          <div className="hm-canvas">
            {bench.list.isLoading ? null : bench.list.error ? (
              <ErrorView error={bench.list.error} onRetry={bench.list.refetch} />
            ) : (
              <Empty icon="check" title={t('workbench.allDone')}>
                {t('workbench.allDoneHint')}
              </Empty>
            )}
          </div>
        )}
        <Inspector dataset={dataset} bench={bench} actions={actions} />
      </div>
      <Hints dataset={dataset} openCount={openCount} onKeys={() => setShowing('keys')} />
      {showing === 'keys' && <KeysDialog actions={actions} onClose={() => setShowing(null)} />}
      {showing === 'history' && current && (
        <History dataset={dataset} item={current} onClose={() => setShowing(null)} />
      )}
    </div>
  );
}

