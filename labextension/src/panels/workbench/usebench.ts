/** What the workbench looks at: the list of pictures, the current one, moving between them. */
import { useCallback, useEffect, useMemo, useState } from 'react';
import type { Dataset, Item } from '../../api/types';
import { useTab } from '../../frame';
import { isOpen, markingOf, seen, type LabelStep, type Marking } from '../../labelling/document';
import { useLabelling, type Labelling } from '../../labelling/session';
import { useMe } from '../../queries/account';
import type { PagedList } from '../../queries/common';
import { useItems } from '../../queries/data';

export interface Bench {
  list: PagedList<Item>;
  items: readonly Item[];
  current: Item | undefined;
  at: number;
  onlyOpen: boolean;
  auto: boolean;
  setAuto: (auto: boolean) => void;
  labelling: Labelling;
  go: (item: Item | undefined) => void;
  move: (step: number) => void;
  /** The next open picture after the current one, going round at the end; undefined when all are done. */
  nextOpen: (besides: number) => Item | undefined;
  /** Changes the current picture's labels as one step of undo. */
  change: (after: (before: Marking) => Marking) => Marking | undefined;
  previous: Item | undefined;
}

const PAGE = '500';

export function useBench(dataset: Dataset): Bench {
  const tab = useTab();
  const me = useMe();
  const onlyOpen = tab.args['view.open'] === true;
  const auto = tab.args['view.auto'] === true;
  const list = useItems(dataset.id, { sort: 'position', limit: PAGE, ...(onlyOpen ? { open: 'true' } : {}) });
  const labelling = useLabelling(dataset.id);
  const name = me.data?.user.name ?? '';
  const labels = dataset.label_group.labels;
  const { document } = labelling;
  const items = useMemo(
    () => list.items.map(item => seen(item, document, labels, name)),
    [list.items, document, labels, name]
  );
  const wanted = Number(tab.args['view.item'] ?? 0);
  const [chosen, setChosen] = useState(wanted);
  useEffect(() => {
    if (wanted) {
      setChosen(wanted);
    }
  }, [wanted]);
  const found = items.findIndex(item => item.id === chosen);
  const { hasMore, loadingMore, loadMore } = list;

  // The wanted picture may be pages away: read on until it is there.
  useEffect(() => {
    if (chosen && found < 0 && hasMore && !loadingMore) {
      loadMore();
    }
  }, [chosen, found, hasMore, loadingMore, loadMore]);

  const lost = found < 0 && (!chosen || !hasMore);
  const first = items.find(item => isOpen(item.state)) ?? items[0];
  const current = found >= 0 ? items[found] : lost ? first : undefined;
  const at = current ? items.indexOf(current) : -1;

  useEffect(() => {
    // A picture that fell out of the list (done, while only open ones are shown) stays chosen until the person moves.
    if (current && current.id !== chosen) {
      setChosen(current.id);
    }
    if (at >= 0 && at >= items.length - 20) {
      loadMore();
    }
  }, [current, chosen, at, items.length, loadMore]);

  const go = useCallback(
    (item: Item | undefined) => {
      if (item) {
        setChosen(item.id);
        tab.setView({ 'view.item': item.id });
      }
    },
    // The tab object is new at each rendering, and does the same.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    []
  );

  return {
    list,
    items,
    current,
    at,
    onlyOpen,
    auto,
    setAuto: next => tab.setView({ 'view.auto': next || null }),
    labelling,
    go,
    move: step => go(items[Math.max(0, Math.min(items.length - 1, at + step))]),
    nextOpen: besides => {
      const round = [...items.slice(at + 1), ...items.slice(0, Math.max(0, at))];
      return round.find(item => item.id !== besides && isOpen(item.state));
    },
    change: after => {
      if (!current) {
        return undefined;
      }
      const before = markingOf(current);
      const next = after(before);
      const step: LabelStep = { changes: [{ item: current.id, before, after: next }] };
      labelling.apply(step);
      return next;
    },
    previous: items[at - 1]
  };
}
